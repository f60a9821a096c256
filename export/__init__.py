"""Export: students and teachers as ONNX, checked against torch, in a folder that is ready to ship."""
