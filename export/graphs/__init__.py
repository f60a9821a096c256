"""ONNX graphs of models, and whether they give the answers of PyTorch."""
