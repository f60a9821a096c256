"""Checkpoints of an encoder for torch, its linear layers in 4 or 8 bits by bitsandbytes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from decant.errors import GateError
from decant.models.encoder import SentenceEncoder
from decant.models.quantized import Quantize

SAME_COSINE = 0.99999


def quantized(encoder: SentenceEncoder, kind: Quantize) -> SentenceEncoder:
    """The encoder with its linear layers quantized, by way of a temporary checkpoint; exit layers are left out.

    Args:
        encoder: of float weights; not changed.

    Raises:
        InputError: bitsandbytes or accelerate is not installed, or the encoder has no linear layer.
    """
    with tempfile.TemporaryDirectory(prefix="decant-") as scratch:
        encoder.save(Path(scratch))
        return SentenceEncoder.load(Path(scratch), quantize=kind)


def save_quantized(
    encoder: SentenceEncoder, folder: Path, kind: Quantize, probes: Sequence[str] = ()
) -> SentenceEncoder:
    """Write the quantized encoder, which `SentenceEncoder.load` and transformers read by the config in the folder.

    Args:
        encoder: of float weights; not changed.
        probes: texts whose vectors must be the same before the encoder is written and after it is read, up to what
            the place of the weights in memory does to the order of sums.

    Returns:
        What was read again, each of its weights checked to be what was written, bit for bit.

    Raises:
        InputError: as `quantized`.
        GateError: a weight or the vector of a probe has changed.
    """
    written = quantized(encoder, kind)
    vectors = written.encode(probes)  # before the weights are compared: their first use must not change them
    written.save(folder)
    read = SentenceEncoder.load(folder)
    before, after = written.state_dict(), read.state_dict()
    changed = [name for name in before if name not in after or not torch.equal(before[name], after[name])]
    if changed or len(before) < len(after):
        raise GateError(
            f"{folder}: {len(changed)} {kind} weights were read otherwise than written, such as {changed[:1]}"
        )
    cosines = np.einsum("td,td->t", vectors, read.encode(probes))
    if len(probes) and not cosines.min() >= SAME_COSINE:
        raise GateError(
            f"{folder}: the {kind} weights that were read give {probes[int(cosines.argmin())][:60]!r} another vector, "
            f"of cosine {cosines.min():.6f} to the one before; at least {SAME_COSINE} is required"
        )
    return read
