"""V2: CLIP, pre-trained and zero-shot, run by OpenVINO."""
