from __future__ import annotations

import numpy as np
import pytest
from onnxruntime.capi import _pybind_state

from export.quantize.scaled_weights import block_scales, gptq_codes, nearest_codes, packed_codes, quantize_columns

GENERATOR = np.random.default_rng(4)
WEIGHTS = GENERATOR.standard_normal((96, 6)).astype(np.float32)


def restored(codes: np.ndarray, scales: np.ndarray, block: int) -> np.ndarray:
    return codes * np.repeat(scales, block, axis=0)[: len(codes)].astype(np.float64)


def test_columns_by_hand() -> None:
    integers, steps = quantize_columns(np.array([[1, 0, -8], [-2, 0, 6]], np.float32), 64)
    assert steps.tolist() == [2 / 64, 1, 8 / 64]
    assert integers.tolist() == [[32, 0, -64], [-64, 0, 48]]
    assert integers.dtype == np.int8


def test_scales_and_codes_by_hand() -> None:
    weights = np.array([[4, 0, 1], [-2, 0, -8], [1.5, 0, 16], [0, 0, 3]], np.float32)
    scales = block_scales(weights, 2, 4)
    assert scales.tolist() == [[-0.5, 1, 1], [-0.1875, 1, -2]]
    assert nearest_codes(weights, scales, 2, 4).tolist() == [[-8, 0, 1], [4, 0, -8], [-8, 0, -8], [0, 0, -2]]
    assert block_scales(weights, 4, 8).tolist() == [[-4 / 128, 1, -16 / 128]]


def test_packed_by_hand() -> None:
    codes = np.array([[-8, 7], [1, 0], [2, -1]], np.int8)
    assert packed_codes(codes, 2, 4).tolist() == [[[0x90], [0x8A]], [[0x8F], [0x87]]]
    assert packed_codes(codes, 2, 8).tolist() == [[[120, 129], [130, 128]], [[135, 128], [127, 128]]]


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("block", [16, 32])
def test_nearest_is_what_onnxruntimes_own_quantizer_gives(block: int, bits: int) -> None:
    blocks = len(WEIGHTS) // block
    packed, scales = np.zeros((6, blocks, block * bits // 8), np.uint8), np.zeros((6, blocks), np.float32)
    quantize = getattr(_pybind_state, f"quantize_matmul_{bits}bits")
    quantize(packed, WEIGHTS, scales, np.zeros((6, blocks), np.uint8), block, 6, len(WEIGHTS), True)
    own_scales = block_scales(WEIGHTS, block, bits)
    own = packed_codes(nearest_codes(WEIGHTS, own_scales, block, bits), block, bits)
    np.testing.assert_allclose(own_scales.T, scales, rtol=1e-6)
    np.testing.assert_array_equal(own, packed)


@pytest.mark.parametrize("bits", [4, 8])
def test_gptq_is_the_nearest_where_activations_are_independent(bits: int) -> None:
    gram = np.diag(GENERATOR.uniform(0.1, 9, 96))
    codes, scales = gptq_codes(WEIGHTS, gram, 32, bits, damping=0.01)
    np.testing.assert_array_equal(scales, block_scales(WEIGHTS, 32, bits))
    np.testing.assert_array_equal(codes, nearest_codes(WEIGHTS, scales, 32, bits))


def test_gptq_of_two_rows_by_hand() -> None:
    """x = (1, 1) alone: what the first weight loses, the second takes on, whatever it is itself."""
    weights = np.array([[0.3], [8.0]], np.float32)  # the scale is -1: 0.3 becomes 0, and 8 should become 8.3
    codes, scales = gptq_codes(weights, np.ones((2, 2)), 2, 4, damping=1e-9)
    assert scales.tolist() == [[-1]]
    assert codes.tolist() == [[0], [-8]]
    weights = np.array([[0.4], [2.3], [8.0]], np.float32)
    gram = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], np.float64)
    codes, _ = gptq_codes(weights, gram, 3, 4, damping=1e-9)
    assert codes[:2].tolist() == [[0], [-3]]  # 2.3 + 0.4 is nearer to 3, where 2.3 alone is nearer to 2


def test_gptq_halves_the_error_of_products_with_correlated_activations() -> None:
    states = GENERATOR.standard_normal((500, 12)) @ GENERATOR.standard_normal((12, 96))
    states += 0.1 * GENERATOR.standard_normal(states.shape)
    scales = block_scales(WEIGHTS, 16, 4)
    near = restored(nearest_codes(WEIGHTS, scales, 16, 4), scales, 16)
    turned = restored(*gptq_codes(WEIGHTS, states.T @ states, 16, 4, damping=0.01), 16)
    error, least = (np.square(states @ (weights - WEIGHTS)).sum() for weights in (near, turned))
    assert least < 0.5 * error


def test_weights_that_meet_no_activation_are_rounded_to_the_nearest() -> None:
    codes, scales = gptq_codes(WEIGHTS, np.zeros((96, 96)), 32, 4, damping=0.01)
    np.testing.assert_array_equal(codes, nearest_codes(WEIGHTS, scales, 32, 4))
