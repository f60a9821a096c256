"""How alike the layers of a model attend, and how much each changes the token states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from decant.errors import InputError
from decant.models.backbone import layer_list, quiet_transformers
from students.sharing.match_heads import matched_similarity, query_repeats

Progress = Callable[[int], None]
FULL = "full_attention"  # transformers' own name, beside sliding_attention


@dataclass(frozen=True)
class AttentionSimilarity:
    """Means over the inputs.

    Args:
        layers: cosine of two layers' maps, all heads laid end to end, float32 [layers, layers].
        matched: the same with the heads of one layer in the order that fits the other's best.
        products: what each head of a layer with each of another adds to their cosine, float32 [layers, layers, heads,
            heads]; the sum over equal heads is `layers`.
        heads: cosine of the maps of one head in two layers, float32 [heads, layers, layers].
        states: cosine of a token's state before a layer and after it, also the mean over tokens, float32 [layers].
        kinds: each layer's kind of attention; maps of different kinds are not to be shared.
        causal: whether a token attends to itself and those before it only.
    """

    layers: NDArray[np.float32]
    matched: NDArray[np.float32]
    products: NDArray[np.float32]
    heads: NDArray[np.float32]
    states: NDArray[np.float32]
    kinds: tuple[str, ...]
    causal: bool


def full_inputs(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, length: int, limit: int | None = None
) -> NDArray[np.int64]:
    """Inputs without padding: consecutive texts, joined by spaces until they fill one, are cut to `length` tokens.

    Every input begins with the beginning of a text; what is cut off, or left at the end, is in none.

    Args:
        length: tokens, specials included.
        limit: take at most so many inputs.

    Returns:
        Token ids int64 [inputs, length].

    Raises:
        InputError: all texts together do not fill one input.
    """
    rows: list[list[int]] = []
    held: list[str] = []
    for text in texts:
        held.append(text)
        ids = tokenizer(" ".join(held), truncation=True, max_length=length)["input_ids"]
        if len(ids) == length:
            rows.append(ids)
            held = []
        if len(rows) == limit:
            break
    if not rows:
        raise InputError(f"all texts together have fewer than {length} tokens; give more text, or a smaller length")
    return np.array(rows, np.int64)


def attention_similarity(
    backbone: PreTrainedModel, inputs: NDArray[np.int64], batch_size: int = 4, progress: Progress | None = None
) -> AttentionSimilarity:
    """Mean cosine similarities of attention maps and token states, by sums that are added to batch by batch.

    At most one batch's maps are held, layers × batch × heads × length² floats, and one input's twice more.

    Args:
        backbone: runs with eager attention meanwhile, since fused kernels give no maps.
        inputs: token ids [inputs, length], without padding.
        batch_size: inputs at a time.
        progress: told how many inputs are done.

    Raises:
        InputError: the model is an encoder with a decoder, keeps no one list of layers, or gives no map of every
            token to every other of its layers.
    """
    config = backbone.config
    if getattr(config, "is_encoder_decoder", False):
        raise InputError(f"a {config.model_type!r} model is an encoder with a decoder; give one that is either")
    layers = list(layer_list(backbone)[1])
    device = next(backbone.parameters()).device
    every_head = heads = torch.zeros((), dtype=torch.float64)
    causal = any(getattr(module, "is_causal", False) is True for layer in layers for module in layer.modules())
    with torch.inference_mode(), _eager(backbone), _state_cosines(layers) as states:
        for start in range(0, len(inputs), batch_size):
            ids = torch.from_numpy(inputs[start : start + batch_size]).to(device)
            every = _attentions(backbone, ids, len(layers))
            for row in range(len(ids)):
                found = map_products(torch.stack([one[row] for one in every]), causal=causal)
                same_head = found.diagonal(dim1=2, dim2=3).permute(2, 0, 1)
                norms = same_head.sum(0).diagonal().sqrt()
                every_head = every_head + found / (norms[:, None] * norms)[..., None, None]
                heads = heads + _cosines(same_head)
            if progress is not None:
                progress(len(ids))
    count = len(inputs)
    products = _numbers(every_head / count)
    return AttentionSimilarity(
        np.einsum("lmhh->lm", products), matched_similarity(products, query_repeats(config)), products,
        _numbers(heads / count), _numbers(states / inputs.size), attention_kinds(config, len(layers)), causal,
    )  # fmt: skip


def map_products(maps: Tensor, *, causal: bool) -> Tensor:
    """Dot products of the layers' maps of one input, each head with each, float64 [layers, layers, heads, heads].

    Args:
        maps: attention probabilities [layers, heads, length, length].
        causal: leave out what is above the diagonal, where a causal model attends to nothing.
    """
    flat = (maps.tril() if causal else maps).flatten(2).flatten(0, 1)
    every = (flat @ flat.T).double().cpu()
    return every.unflatten(1, maps.shape[:2]).unflatten(0, maps.shape[:2]).transpose(1, 2)


def attention_kinds(config: Any, layers: int) -> tuple[str, ...]:
    """Each layer's kind of attention, such as ModernBERT's full_attention and sliding_attention."""
    return tuple(getattr(config, "layer_types", None) or (FULL,) * layers)


def _cosines(products: Tensor) -> Tensor:
    """Cosines from dot products [..., layers, layers]; a vector's product with itself is on the diagonal."""
    norms = products.diagonal(dim1=-2, dim2=-1).sqrt()
    return products / (norms[..., :, None] * norms[..., None, :])


def _attentions(backbone: PreTrainedModel, ids: Tensor, layers: int) -> Sequence[Tensor]:
    """One batch's maps, a tensor [batch, heads, length, length] a layer."""
    output = backbone(input_ids=ids, attention_mask=torch.ones_like(ids), output_attentions=True)
    maps = getattr(output, "attentions", None) or ()
    square = (len(ids), int(getattr(backbone.config, "num_attention_heads", 0) or 0), ids.shape[1], ids.shape[1])
    if len(maps) != layers or any(one is None or tuple(one.shape) != square for one in maps):
        raise InputError(
            f"a {backbone.config.model_type!r} model gives no attention map of all tokens for each of its {layers} "
            "layers; give a model of ordinary attention layers, such as BERT or Llama"
        )
    return maps


@contextmanager
def _eager(backbone: PreTrainedModel) -> Iterator[None]:
    """Without dropout, and with attention that keeps its maps."""
    kept, was_training = backbone.config._attn_implementation, backbone.training
    switches = kept not in (None, "eager")
    backbone.eval()
    with quiet_transformers():
        try:
            if switches:
                backbone.set_attn_implementation("eager")
            yield
        finally:
            backbone.train(was_training)
            if switches:
                backbone.set_attn_implementation(kept)


@contextmanager
def _state_cosines(layers: Sequence[Any]) -> Iterator[Tensor]:
    """Sums of the cosines of every token's state before and after each layer, float64 [layers], while it is open.

    Taken at the layers themselves: the last of a model's hidden states may have gone through a norm of the model's.
    """
    sums = torch.zeros(len(layers), dtype=torch.float64)

    def hook(number: int) -> Any:
        def add(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            before = args[0] if args else kwargs["hidden_states"]
            after = output if isinstance(output, Tensor) else output[0]
            sums[number] += functional.cosine_similarity(before, after, dim=-1).double().sum().cpu()

        return add

    handles = [layer.register_forward_hook(hook(number), with_kwargs=True) for number, layer in enumerate(layers)]
    try:
        yield sums
    finally:
        for handle in handles:
            handle.remove()


def _numbers(values: Tensor) -> NDArray[np.float32]:
    return values.numpy().astype(np.float32)
