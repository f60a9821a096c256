"""Weights in integers: with one scale a column, or a block of a column, as onnxruntime's MatMulNBits reads them.

Codes of blocks are rounded to the nearest, or in turn so that a product's error stays small on real activations: GPTQ
(Frantar et al. 2023, arXiv:2210.17323, algorithm 1 with blocks of its own scales). In 4 bits that takes two thirds
of the loss away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Codes = NDArray[np.int8]
SEVEN_BITS, EIGHT_BITS = 64, 127  # the largest int8 weight
SMALLEST_SCALE = 1e-30  # a column or block below it counts as zeros: such a small float32 divides with few digits


def quantize_columns(weights: Floats, largest: int) -> tuple[Codes, Floats]:
    """int8 [K, N] in -largest..largest, and a scale a column, float32 [N]; 1 where a column is 0."""
    scales = (np.abs(weights).max(axis=0) / largest).astype(np.float32)
    scales = np.where(scales > SMALLEST_SCALE, scales, np.float32(1))
    return np.rint(weights / scales).clip(-largest, largest).astype(np.int8), scales


def block_scales(weights: Floats, block: int, bits: int) -> Floats:
    """A scale a block, float32 [blocks, N], of weights [K, N]; 1 where a block is 0.

    The value of the largest size becomes the lowest code, -2^(bits-1), exactly; its scale is negative if it is
    positive. So all codes are used, where -7..7 would leave one out.
    """
    lowest = -(2 ** (bits - 1))
    blocks = _as_blocks(weights, block)
    places = np.abs(blocks).argmax(axis=1, keepdims=True)
    scales = np.take_along_axis(blocks, places, axis=1)[:, 0] / np.float32(lowest)
    return np.where(np.abs(scales) > SMALLEST_SCALE, scales, np.float32(1)).astype(np.float32)


def nearest_codes(weights: Floats, scales: Floats, block: int, bits: int) -> Codes:
    """Each weight's nearest code, int8 [K, N] in -2^(bits-1)..2^(bits-1)-1."""
    half = 2 ** (bits - 1)
    steps = np.repeat(scales, block, axis=0)[: len(weights)]
    return np.rint(weights / steps).clip(-half, half - 1).astype(np.int8)


def gptq_codes(
    weights: Floats, gram: NDArray[np.floating], block: int, bits: int, damping: float
) -> tuple[Codes, Floats]:
    """Codes, int8 [K, N], and scales, float32 [blocks, N]: rounded row by row, each error made up for by later rows.

    Args:
        weights: float32 [K, N].
        gram: of the activations x that are multiplied by them, the sum of xᵀx over all rows, [K, K].
        block: rows of a column that share a scale.
        bits: 4 or 8.
        damping: of the gram's mean diagonal, added to it; above 0.
    """
    half, rows = 2 ** (bits - 1), len(weights)
    mean = float(np.trace(gram)) / rows or 1.0
    inverse = np.linalg.inv(gram.astype(np.float64) + damping * mean * np.eye(rows))
    factor = np.linalg.cholesky(inverse).T  # upper: row k tells how the rows from k on answer to an error in k
    left = weights.astype(np.float64)
    codes, scales = np.zeros(weights.shape, np.int8), []
    for start in range(0, rows, block):
        end = min(start + block, rows)
        (steps,) = block_scales(left[start:end].astype(np.float32), block, bits)
        errors = np.zeros((end - start, weights.shape[1]))
        for row in range(start, end):
            codes[row] = np.rint(left[row] / steps).clip(-half, half - 1)
            errors[row - start] = (left[row] - codes[row] * steps.astype(np.float64)) / factor[row, row]
            left[row + 1 : end] -= np.outer(factor[row, row + 1 : end], errors[row - start])
        left[end:] -= factor[start:end, end:].T @ errors
        scales.append(steps)
    return codes, np.stack(scales)


def packed_codes(codes: Codes, block: int, bits: int) -> NDArray[np.uint8]:
    """Codes [K, N] as uint8 [N, blocks, block · bits / 8], raised to 0..2^bits-1; of two in a byte the first is low.

    A last block that is not full ends with the code of 0.
    """
    raised = (codes.astype(np.int16) + 2 ** (bits - 1)).astype(np.uint8)
    missing = -len(codes) % block
    raised = np.pad(raised, ((0, missing), (0, 0)), constant_values=2 ** (bits - 1))
    whole = raised.T.reshape(codes.shape[1], -1, block)
    return np.ascontiguousarray(whole[..., ::2] | whole[..., 1::2] << 4 if bits == 4 else whole)


def _as_blocks(weights: Floats, block: int) -> Floats:
    """[blocks, block, N], filled up with zeros."""
    padded = np.pad(weights, ((0, -len(weights) % block), (0, 0)))
    return padded.reshape(-1, block, weights.shape[1])
