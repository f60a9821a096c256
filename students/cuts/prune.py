"""Structured pruning: how much each attention head and FFN neuron matters, and narrower FFNs as plain checkpoints.

Importance is taken at the Linear that adds a unit to the residual stream, where heads and neurons look alike: its
input is [batch, length, units · size], a head having its head size and a neuron 1.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from decant.batches import padded, sorted_batches
from decant.errors import InputError
from decant.models.backbone import layer_list
from decant.models.encoder import SentenceEncoder
from decant.models.shared_config import read_config

ImportanceKind = Literal["activation", "taylor"]
Importance = NDArray[np.float32]  # [layers, units], 0 or more, higher matters more
Loss = Callable[[Tensor, NDArray[np.int64]], Tensor]


@dataclass(frozen=True)
class LayerNames:
    """Where a family keeps the parts of a layer, and what its config calls the FFN's width."""

    attention_output: str
    ffn_input: str
    ffn_output: str
    width: str = "intermediate_size"
    gated: bool = False


BERT_NAMES = LayerNames("attention.output.dense", "intermediate.dense", "output.dense")
FAMILIES = {
    "bert": BERT_NAMES,
    "roberta": BERT_NAMES,
    "xlm-roberta": BERT_NAMES,
    "electra": BERT_NAMES,
    "deberta-v2": BERT_NAMES,
    "mpnet": LayerNames("attention.attn.o", "intermediate.dense", "output.dense"),
    "distilbert": LayerNames("attention.out_lin", "ffn.lin1", "ffn.lin2", width="hidden_dim"),
    "modernbert": LayerNames("attn.Wo", "mlp.Wi", "mlp.Wo", gated=True),
}


def head_importance(
    encoder: SentenceEncoder,
    texts: Sequence[str],
    kind: ImportanceKind = "taylor",
    loss: Loss | None = None,
    batch_size: int = 32,
    seed: int = 0,
) -> Importance:
    """Importance of every attention head, float32 [layers, heads]; see `ffn_importance`.

    It says which layers live without theirs. Heads are not dropped: in transformers 5 the attention output of every
    supported family takes `hidden_size` columns, so no config describes fewer heads of the same size.
    """
    heads = int(encoder.backbone.config.num_attention_heads)
    outputs = _linears(encoder.backbone, _names(encoder.backbone).attention_output)
    return _importance(encoder, texts, outputs, heads, kind, loss, batch_size, seed)


def ffn_importance(
    encoder: SentenceEncoder,
    texts: Sequence[str],
    kind: ImportanceKind = "taylor",
    loss: Loss | None = None,
    batch_size: int = 32,
    seed: int = 0,
) -> Importance:
    """Importance of every FFN neuron, float32 [layers, width]; a unit whose output weights are zero has exactly 0.

    `activation`: the mean over tokens of the L2 norm of what the unit adds to the residual stream.

    `taylor`: with a gate ξ = 1 on the unit, the mean over texts of |∂L/∂ξ|, which is |Σ_tokens activation · gradient|
    (Michel et al. 2019, "Are Sixteen Heads Really Better than One?", section 4.1; Molchanov et al. 2019,
    "Importance Estimation for Neural Network Pruning", section 3, with the absolute value in place of the square).

    L may not be the distance to the unpruned vector v itself: 1 − cos(v', v) = ½‖v' − v‖² has no gradient at v' = v.
    Its leading term is ½‖∂v/∂ξ‖², so by default L = √(π/2)·r·v with a standard normal r a text: E|∂L/∂ξ| is then
    ‖∂v/∂ξ‖, the length by which the unit vector moves to first order when the unit goes. No label is needed.

    Args:
        encoder: on any device, in any mode; it is as before afterwards.
        texts: at least one; some hundreds are enough.
        loss: L for `taylor` instead: unit vectors [batch, dim] and the batch's row numbers in `texts` → a scalar,
            the sum over the batch (of 1 − cosine to a teacher's vectors, or of a loss on labels).
        seed: of the default's r.

    Raises:
        InputError: no text, a family that is not in `FAMILIES`, or a loss for `activation`.
    """
    outputs = _linears(encoder.backbone, _names(encoder.backbone).ffn_output)
    return _importance(encoder, texts, outputs, ffn_neurons(encoder), kind, loss, batch_size, seed)


def ffn_neurons(encoder: SentenceEncoder) -> int:
    """Neurons of each FFN.

    Raises:
        InputError: a family that is not in `FAMILIES`.
    """
    return int(getattr(encoder.backbone.config, _names(encoder.backbone).width))


def prune_ffn(encoder: SentenceEncoder, width: int, importance: Importance) -> SentenceEncoder:
    """An encoder whose FFNs keep their `width` most important neurons, in their old order, in every layer.

    Its checkpoint is a plain one, of a smaller `intermediate_size`. On equal importance the earlier neuron stays.

    Args:
        encoder: not changed.
        width: neurons kept a layer, 1..width of the encoder.
        importance: float [layers, width of the encoder].

    Raises:
        InputError: a width that the encoder cannot give, or an importance of another shape or with NaN.
    """
    names = _names(encoder.backbone)
    full = ffn_neurons(encoder)
    if not 1 <= width <= full:
        raise InputError(f"FFN width {width} is outside 1..{full}, what this encoder has")
    if importance.shape != (encoder.layers, full):
        raise InputError(
            f"importance has the shape {importance.shape}, not the {(encoder.layers, full)} of this encoder"
        )
    if np.isnan(importance).any():
        raise InputError("importance holds NaN; the encoder or the loss that it was taken with gives none")
    pruned = copy.deepcopy(encoder)
    setattr(pruned.backbone.config, names.width, width)
    inputs, outputs = (_linears(pruned.backbone, name) for name in (names.ffn_input, names.ffn_output))
    for ffn_input, ffn_output, scores in zip(inputs, outputs, importance, strict=True):
        kept = torch.from_numpy(np.sort(np.argsort(-scores, kind="stable")[:width])).to(ffn_input.weight.device)
        _keep_rows(ffn_input, torch.cat([kept, kept + full]) if names.gated else kept)
        ffn_output.weight = _parameter(ffn_output.weight, kept, axis=1)
        ffn_output.in_features = width
    return pruned


def check_ffn_width(folder: Path, width: int) -> None:
    """Refuse an FFN width that the model of a folder cannot be pruned to, by its config alone.

    Raises:
        InputError: its family cannot be pruned, or its FFNs are narrower.
    """
    config = read_config(folder)
    full = int(getattr(config, _family(config.model_type).width))
    if width > full:
        raise InputError(f"{width} is above {full}, the FFN width of {folder}")


def _importance(
    encoder: SentenceEncoder,
    texts: Sequence[str],
    outputs: Sequence[nn.Linear],
    units: int,
    kind: ImportanceKind,
    loss: Loss | None,
    batch_size: int,
    seed: int,
) -> Importance:
    if not texts:
        raise InputError("importance is measured on texts, and none is given; give some hundreds of the kind to embed")
    if kind == "activation" and loss is not None:
        raise InputError("importance by activation takes no loss; leave it out, or ask for kind 'taylor'")
    loss = loss or _probe_loss(len(texts), encoder.dim, seed)
    ids = encoder.tokenize(texts)
    total = torch.zeros(len(outputs), units, dtype=torch.float64)
    was_training = encoder.training
    encoder.eval()
    try:
        for rows in sorted_batches([len(row) for row in ids], batch_size):
            batch = padded([ids[row] for row in rows], int(encoder.tokenizer.pad_token_id))
            input_ids, mask = (part.to(outputs[0].weight.device) for part in batch)
            if kind == "activation":
                total += _written_norms(encoder, outputs, units, input_ids, mask)
            else:
                total += _gate_gradients(encoder, outputs, units, input_ids, mask, rows, loss)
    finally:
        encoder.train(was_training)
    count = sum(len(row) for row in ids) if kind == "activation" else len(texts)
    return (total / count).float().numpy()


def _written_norms(
    encoder: SentenceEncoder, outputs: Sequence[nn.Linear], units: int, input_ids: Tensor, mask: Tensor
) -> Tensor:
    """Sum over the tokens of ‖what a unit adds to the residual stream‖₂, [layers, units]."""
    sums: dict[int, Tensor] = {}

    def measure(layer: int, linear: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        weight = cast(Tensor, linear.weight).unflatten(1, (units, -1))
        gram = torch.einsum("hus,hut->ust", weight, weight)  # ‖W_u a_u‖² = a_uᵀ (W_uᵀ W_u) a_u
        inputs = arguments[0].unflatten(-1, (units, -1))
        squares = (torch.einsum("blus,ust->blut", inputs, gram) * inputs).sum(dim=-1)
        sums[layer] = (squares.clamp(min=0).sqrt() * mask[..., None]).sum(dim=(0, 1))

    with torch.inference_mode(), _hooked(outputs, measure):
        encoder(input_ids, mask)
    return torch.stack([sums[layer] for layer in range(len(outputs))]).double().cpu()


def _gate_gradients(
    encoder: SentenceEncoder,
    outputs: Sequence[nn.Linear],
    units: int,
    input_ids: Tensor,
    mask: Tensor,
    rows: NDArray[np.int64],
    loss: Loss,
) -> Tensor:
    """Sum over the texts of |∂L/∂ξ| for a gate ξ = 1 on every unit of every text, [layers, units]."""
    like = outputs[0].weight
    gates = [like.new_ones(len(input_ids), 1, units, 1).requires_grad_() for _ in outputs]

    def gate(layer: int, _: nn.Module, arguments: tuple[Tensor, ...]) -> Tensor:
        return (arguments[0].unflatten(-1, (units, -1)) * gates[layer]).flatten(-2)

    with torch.enable_grad(), _hooked(outputs, gate):
        gradients = torch.autograd.grad(loss(encoder(input_ids, mask)[1], rows), gates)
    return torch.stack([gradient.abs().sum(dim=0).flatten() for gradient in gradients]).double().cpu()


def _probe_loss(texts: int, dim: int, seed: int) -> Loss:
    """√(π/2)·Σ r·v over the batch, one standard normal r a text, the same whatever batch it stands in."""
    probes = torch.randn(texts, dim, generator=torch.Generator().manual_seed(seed)) * math.sqrt(math.pi / 2)
    return lambda vectors, rows: (vectors * probes[torch.from_numpy(rows)].to(vectors)).sum()


@contextmanager
def _hooked(modules: Sequence[nn.Module], hook: Callable[..., Any]) -> Iterator[None]:
    """Calls `hook(number, module, arguments)` before each of the modules runs."""
    handles = [module.register_forward_pre_hook(partial(hook, number)) for number, module in enumerate(modules)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _names(backbone: PreTrainedModel) -> LayerNames:
    return _family(backbone.config.model_type)


def _family(kind: str) -> LayerNames:
    if kind not in FAMILIES:
        raise InputError(f"a {kind!r} backbone cannot be pruned; {', '.join(FAMILIES)} can")
    return FAMILIES[kind]


def _linears(backbone: PreTrainedModel, name: str) -> list[nn.Linear]:
    return [cast(nn.Linear, layer.get_submodule(name)) for layer in layer_list(backbone)[1]]


def _keep_rows(linear: nn.Linear, rows: Tensor) -> None:
    linear.weight = _parameter(linear.weight, rows, axis=0)
    if linear.bias is not None:
        linear.bias = _parameter(linear.bias, rows, axis=0)
    linear.out_features = len(rows)


def _parameter(old: Tensor, kept: Tensor, axis: int) -> nn.Parameter:
    return nn.Parameter(old.detach().index_select(axis, kept), requires_grad=old.requires_grad)
