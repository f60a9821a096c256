from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from decant.errors import InputError
from export.quantize.row_products import to_integers, weight_products
from tests.processor import needs_vnni

Floats = NDArray[np.float32]
LARGEST = [64, pytest.param(127, marks=needs_vnni)]
GENERATOR = np.random.default_rng(3)
WEIGHTS = GENERATOR.standard_normal((48, 20)).astype(np.float32)
BIAS = GENERATOR.standard_normal(20).astype(np.float32)
STATES = (GENERATOR.standard_normal((2, 5, 48)) * GENERATOR.uniform(0.1, 9, (2, 5, 1))).astype(np.float32)


def product_model(weights: Floats = WEIGHTS, bias: Floats | None = BIAS, opset: int = 17) -> onnx.ModelProto:
    """x [a, b, K] → x · weights + bias [a, b, N]."""
    nodes = [helper.make_node("MatMul", ["x", "weights"], ["y" if bias is None else "product"])]
    stored = [numpy_helper.from_array(weights, "weights")]
    if bias is not None:
        nodes.append(helper.make_node("Add", ["bias", "product"], ["y"]))
        stored.append(numpy_helper.from_array(bias, "bias"))
    edges = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["a", "b", width])
        for name, width in zip("xy", weights.shape, strict=True)
    ]
    graph = helper.make_graph(nodes, "product", edges[:1], edges[1:], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def run(model: onnx.ModelProto, name: str, values: NDArray[np.generic]) -> Floats:
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answer: Floats = session.run(None, {name: values})[0]
    return answer


def by_hand(states: Floats, weights: Floats, largest: int, kept: tuple[int, ...] = ()) -> NDArray[np.float64]:
    """The quantized product of each row, computed in numpy row by row; `kept` columns in float."""
    others = [column for column in range(weights.shape[0]) if column not in kept]
    steps = np.abs(weights[others]).max(axis=0) / np.float32(largest)
    integers = np.rint(weights[others] / steps).astype(np.int64)
    answers = []
    for row in states.reshape(-1, weights.shape[0]):
        step = np.abs(row[others]).max() * np.float32(1 / 127)
        codes = np.rint(row[others] / step).astype(np.int64) if step > 0 else np.zeros(len(others), np.int64)
        exact = row[list(kept)].astype(np.float64) @ weights[list(kept)]
        answers.append((codes @ integers) * float(step) * steps.astype(np.float64) + exact)
    return np.array(answers).reshape(*states.shape[:-1], -1)


@pytest.mark.parametrize("opset", [14, 17, 18])
@pytest.mark.parametrize("largest", LARGEST)
def test_the_product_is_that_of_the_rounded_numbers(largest: int, opset: int) -> None:
    model = product_model(opset=opset)
    to_integers(model, largest, tables="int8", kept={})
    expected = by_hand(STATES, WEIGHTS, largest) + BIAS
    np.testing.assert_allclose(run(model, "x", STATES), expected, rtol=1e-5, atol=1e-5)
    assert np.abs(expected - (STATES @ WEIGHTS + BIAS)).max() > 1e-2, "rounding is seen, so the above compares it"


@pytest.mark.parametrize("largest", LARGEST)
def test_columns_that_are_kept_do_not_widen_the_others_steps(largest: int) -> None:
    states = STATES.copy()
    states[..., [7, 30]] *= 400
    model = product_model()
    to_integers(model, largest, tables="int8", kept={"x": np.array([7, 30])})
    answer = run(model, "x", states)
    np.testing.assert_allclose(answer, by_hand(states, WEIGHTS, largest, (7, 30)) + BIAS, rtol=1e-5, atol=1e-3)
    exact, coarse = states @ WEIGHTS + BIAS, by_hand(states, WEIGHTS, largest) + BIAS
    assert np.abs(answer - exact).max() < 0.05 * np.abs(coarse - exact).max()


def test_a_row_of_zeros_gives_the_bias_alone() -> None:
    states = STATES.copy()
    states[1, 2] = 0
    model = product_model()
    to_integers(model, 64, tables="int8", kept={})
    answer = run(model, "x", states)
    np.testing.assert_array_equal(answer[1, 2], BIAS)
    assert np.isfinite(answer).all()


def test_products_without_a_bias_and_columns_of_zeros() -> None:
    weights = WEIGHTS.copy()
    weights[:, 4] = 0
    model = product_model(weights, bias=None)
    to_integers(model, 64, tables="int8", kept={})
    answer = run(model, "x", STATES)
    assert (answer[..., 4] == 0).all()
    others = np.delete(np.arange(20), 4)
    np.testing.assert_allclose(answer[..., others], by_hand(STATES, weights[:, others], 64), rtol=1e-5, atol=1e-5)


def test_no_more_nodes_than_are_needed() -> None:
    model = product_model()
    to_integers(model, 64, tables="int8", kept={})
    quantized = ["Reshape", "Abs", "ReduceMax", "Mul", "Shape", "ConstantOfShape", "QuantizeLinear"]
    multiplied = ["MatMulInteger", "DequantizeLinear", "Mul", "Add"]
    whole = ["Shape", "Slice", "Concat", "Reshape"]
    assert [node.op_type for node in model.graph.node] == quantized + multiplied + whole


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(wrong: float) -> None:
    weights = WEIGHTS.copy()
    weights[5, 5] = wrong
    with pytest.raises(InputError, match="the weight 'weights' holds values that are not finite"):
        to_integers(product_model(weights), 64, tables="int8", kept={})


def test_only_products_with_stored_matrices_are_meant() -> None:
    model = product_model()
    assert [node.output[0] for node in weight_products(model.graph)] == ["product"]
    model.graph.node[0].input[1] = "x"
    assert weight_products(model.graph) == []
