from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.quantize.integer_tables import is_lookup, look_up
from export.quantize.quantize_settings import TablePrecision
from export.quantize.row_graph import RowGraph
from tests.export.quantize.test_row_products import run

TABLE = np.random.default_rng(8).standard_normal((9, 40)).astype(np.float32)
TABLE[3] = 0
BLOCKS = np.pad(TABLE, ((0, 0), (0, 8)), constant_values=0.7)
IDS = np.array([[0, 8, 3], [3, 5, 5]])


def looked_up(
    precision: TablePrecision, table: NDArray[np.float32] = TABLE
) -> tuple[NDArray[np.float32], dict[int, int]]:
    """The answer to IDS, and the bytes stored of each type."""
    edges = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["a", "b"]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a", "b", table.shape[1]]),
    ]
    node = helper.make_node("Gather", ["table", "ids"], ["y"])
    whole = helper.make_graph([node], "lookup", edges[:1], edges[1:], [numpy_helper.from_array(table, "table")])
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    graph = RowGraph(model)
    assert is_lookup(graph, model.graph.node[0])
    look_up(graph, model.graph.node[0], precision, block=16)
    graph.finish()
    return run(model, "ids", IDS), {one.data_type: len(one.raw_data) for one in model.graph.initializer}


def test_8_bits_have_a_scale_a_row() -> None:
    answer, sizes = looked_up("int8")
    steps = np.abs(TABLE).max(axis=1, keepdims=True) / np.float32(127)
    entries = np.rint(TABLE / np.where(steps > 0, steps, 1)) * steps
    np.testing.assert_allclose(answer, entries[IDS], rtol=1e-6)
    assert sizes == {TensorProto.INT8: 9 * 40, TensorProto.FLOAT: 9 * 4}


def test_4_bits_have_a_scale_a_block() -> None:
    answer, sizes = looked_up("int4", BLOCKS)
    expected = np.zeros_like(BLOCKS)
    for row in range(9):
        for start in (0, 16, 32):
            part = BLOCKS[row, start : start + 16]
            step = np.float32(np.float16(part[np.abs(part).argmax()] / np.float32(-8))) or 1
            expected[row, start : start + 16] = np.rint(part / step).clip(-8, 7) * step
    np.testing.assert_array_equal(answer, expected[IDS])
    assert (sizes[TensorProto.INT8], sizes[TensorProto.FLOAT16]) == (9 * 24, 9 * 3 * 2)


def test_a_block_shrinks_to_what_divides_a_row() -> None:
    answer, sizes = looked_up("int4")  # 40 columns: blocks of 8
    assert (sizes[TensorProto.INT8], sizes[TensorProto.FLOAT16]) == (9 * 20, 9 * 5 * 2)
    assert np.abs(answer - TABLE[IDS]).max() < np.abs(TABLE).max() / 14


def test_a_block_too_small_for_float16_is_zeros() -> None:
    answer, _ = looked_up("int4", np.full((9, 32), 1e-9, np.float32))
    np.testing.assert_array_equal(answer, 0)


def test_an_odd_number_of_columns_has_no_blocks() -> None:
    answer, sizes = looked_up("int4", TABLE[:, :39])
    assert set(sizes) == {TensorProto.INT8, TensorProto.FLOAT}
    assert np.abs(answer - TABLE[IDS][..., :39]).max() < np.abs(TABLE).max() / 254 + 1e-6


def test_a_table_that_stays() -> None:
    answer, _ = looked_up("fp32")
    np.testing.assert_array_equal(answer, TABLE[IDS])


@pytest.mark.parametrize(("columns", "axis"), [(31, 0), (40, 1)])
def test_what_is_no_table_of_vectors(columns: int, axis: int) -> None:
    node = helper.make_node("Gather", ["table", "ids"], ["y"], axis=axis)
    stored = [numpy_helper.from_array(TABLE[:, :columns], "table")]
    model = helper.make_model(helper.make_graph([node], "lookup", [], [], stored))
    assert not is_lookup(RowGraph(model), node)
    assert not is_lookup(RowGraph(onnx.ModelProto(opset_import=model.opset_import)), node)
