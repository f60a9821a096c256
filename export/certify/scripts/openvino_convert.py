"""ONNX graph to OpenVINO IR: python openvino_convert.py MODEL.onnx MODEL.xml."""

from __future__ import annotations

import sys

import openvino


def convert(graph: str, xml: str) -> None:
    """Write MODEL.xml and MODEL.bin; weights keep their type, where OpenVINO would halve float32 ones.

    `openvino.convert_model` would do as well, but reports its use over the network.
    """
    openvino.save_model(openvino.Core().read_model(graph), xml, compress_to_fp16=False)


if __name__ == "__main__":
    convert(*sys.argv[1:])
