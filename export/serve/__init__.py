"""Artifacts at work: numpy, tokenizers and onnxruntime."""
