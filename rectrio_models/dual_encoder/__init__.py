"""V1: the dual encoder of our own, as transformers classes, its training and its inference."""
