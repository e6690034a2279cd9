"""V2 lite: EfficientNet-Lite0 and MiniLM, both pre-trained, aligned by a small head of our own."""
