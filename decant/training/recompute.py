"""Activations of a training's layers within bounds: what would go beyond them is computed again in the backward pass.

Most batches stay below and cost nothing. A batch of many long texts would else decide alone what a training takes: at
128 texts of 128 tokens, each layer of all-MiniLM-L6-v2 keeps 550 MB. The same operations run on the same numbers, so
losses and weights are those of a training that keeps all, bit for bit (Chen et al. 2016, arXiv 1604.06174).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from decant.errors import InputError
from decant.models.backbone import layer_list
from decant.models.encoder import SentenceEncoder
from decant.training.batch_stream import Batch

KEPT_BYTES = 3 << 28  # of a batch, by all layers together
TRIMMED_BYTES = 1 << 28  # below, a batch is over so soon that getting the pages anew would be felt
FLOAT_BYTES = 4


class Kept(Callback):
    """What the layers keep of the batch that is trained on, as `layer_bytes` counts it.

    Args:
        most: bytes.
    """

    def __init__(self, most: int) -> None:
        self.most, self.held, self.asked = most, 0, 0

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Batch, batch_idx: int) -> None:
        # what a batch has left free in the heap does not fit the tensors of another length, and the heap would grow
        if self.asked > TRIMMED_BYTES:
            trim_heap()
        self.held, self.asked = 0, 0

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        trim_heap()

    def keeps(self, more: int) -> bool:
        """Whether there is room for so many bytes; if so, they are held from now on."""
        self.asked += more
        fits = self.held + more <= self.most
        self.held += more if fits else 0
        return fits


def trim_heap() -> None:
    """Give free memory back to the system, where the C library is one that can be told to (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@contextmanager
def bounded_activations(module: nn.Module, most: int = KEPT_BYTES) -> Iterator[Kept]:
    """While it lasts, the transformer layers in `module` keep no more of a batch on a CPU than `most` bytes.

    A GPU's layers keep all: its memory is not shared, and there the batch size is chosen to fill it.

    Yields:
        The callback that must hear of every batch.
    """
    kept, found = Kept(most), _layers(module)
    own = [layer.__dict__.get("forward") for layer, _ in found]
    for layer, heads in found:
        # partial and bound methods are copied with the layer that they are of, where a closure is not
        layer.__dict__["forward"] = partial(_forward, layer.forward, kept, linear_widths(layer), heads)
    try:
        yield kept
    finally:
        for (layer, _), before in zip(found, own, strict=True):
            del layer.__dict__["forward"]
            if before is not None:
                layer.__dict__["forward"] = before


def layer_bytes(tokens: int, length: int, widths: int, heads: int, value_bytes: int) -> int:
    """About what a layer keeps for its backward pass: inputs and outputs of linear maps, and attention maps in float32.

    Args:
        tokens: of the batch, padding included.
        length: of a text.
        widths: of `linear_widths`.
        value_bytes: of what linear maps give.
    """
    return tokens * (widths * value_bytes + heads * length * FLOAT_BYTES)


def linear_widths(layer: nn.Module) -> int:
    """Inputs and outputs of all linear maps in a layer."""
    found = 0
    for part in layer.modules():
        if isinstance(part, nn.Linear):
            found += part.in_features + part.out_features
        elif isinstance(part, Conv1D):
            found += part.nx + part.nf
    return found


def _forward(plain: Callable[..., Any], kept: Kept, widths: int, heads: int, *given: Any, **options: Any) -> Any:
    states = next(one for one in (*given, *options.values()) if isinstance(one, Tensor))
    kind = states.device.type
    if kind != "cpu" or not torch.is_grad_enabled():
        return plain(*given, **options)
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else states.dtype
    needed = layer_bytes(states.shape[:-1].numel(), states.shape[-2], widths, heads, dtype.itemsize)
    if kept.keeps(needed):
        return plain(*given, **options)
    return checkpoint(partial(plain, **options), *given, use_reentrant=False)


def _layers(module: nn.Module) -> list[tuple[nn.Module, int]]:
    """The transformer layers in a module, each once, and the heads of each."""
    found: dict[nn.Module, int] = {}
    for part in module.modules():
        if isinstance(part, PreTrainedModel):
            with suppress(InputError):  # a family without a list of layers keeps what it keeps
                found |= dict.fromkeys(layer_list(part)[1], _heads(part))
        elif isinstance(part, SentenceEncoder):
            found |= dict.fromkeys(part.exit_layers.values(), _heads(part.backbone))
    return list(found.items())


def _heads(model: PreTrainedModel) -> int:
    return int(getattr(model.config, "num_attention_heads", 0) or 0)
