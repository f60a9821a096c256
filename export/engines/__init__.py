"""What is compiled from a graph: TensorRT engines, the IR of OpenVINO."""
