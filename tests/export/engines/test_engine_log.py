from __future__ import annotations

from export.engines.engine_log import Layer, layers_by_type, read_layers, read_memory

LOG = """Engine Layer Information:
Layers:
Name: [ShapeHostToDeviceCopy 0], LayerType: ShapeHostToDevice, Inputs: [], Outputs: [ { Name: n, Datatype: Int64 }], \
TacticValue: 0x0
Name: __myl_Cast, Gath_1, LayerType: kgen, Inputs: [ { Name: ids, Datatype: Int64 }], Constants: [ { Name: t, \
Datatype: Float }], Outputs: [ { Name: a, Datatype: Half }, { Name: b, Datatype: Float }], TacticName: x, Metadata:
Name: /query/MatMul_2, LayerType: gemm, Inputs: [ { Name: a, Datatype: Half }], Constants: [], Outputs: [ { Name: q, \
Datatype: Half }], TacticName: Float_kernel, StreamId: 0, Metadata:

I/O Tensors:
 Name: input_ids, IOMode: Input, DataType: Int64
Total Activation Memory: 512 bytes
Total Weights Memory: 7 bytes
Total Activation Memory: 1024 bytes
"""


def test_layers_with_the_types_that_they_write() -> None:
    assert read_layers(LOG) == (
        Layer("[ShapeHostToDeviceCopy 0]", "ShapeHostToDevice", ("Int64",)),
        Layer("__myl_Cast, Gath_1", "kgen", ("fp16", "fp32")),
        Layer("/query/MatMul_2", "gemm", ("fp16",)),
    )


def test_layers_are_counted_once_a_type_and_shapes_are_left_out() -> None:
    assert layers_by_type(read_layers(LOG)) == {"fp16": 2, "fp32": 1}


def test_memory_is_what_the_log_says_last() -> None:
    assert read_memory(LOG) == {"weights": 7, "activations": 1024}
    assert read_memory("another library's log") == {}
