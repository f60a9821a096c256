"""Heads of layers in the order of those whose maps they take: an extension of EchoAtt, which leaves them as they are.

What a layer computes does not depend on the order of its heads, so each follower's heads are put where the anchor has
the head that attends most like them; with shared maps, a head then weighs its values more as it did before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from decant.models.backbone import layer_list
from decant.models.shared_attention import AttentionNames, attention_names
from students.sharing.grouping import followers


def head_order(products: NDArray[np.floating], repeats: int = 1) -> NDArray[np.int64]:
    """Which head of a follower goes to each place, so that the sum of products with the anchor's heads is greatest.

    Args:
        products: anchor's heads × follower's, [heads, heads].
        repeats: query heads that read the same keys and values, which must stay together.

    Returns:
        A permutation, int64 [heads].
    """
    groups = len(products) // repeats
    inner = np.empty((groups, groups), dtype=object)
    values = np.zeros((groups, groups))
    for row in range(groups):
        for column in range(groups):
            block = products[row * repeats : (row + 1) * repeats, column * repeats : (column + 1) * repeats]
            places, chosen = linear_sum_assignment(block, maximize=True)
            inner[row, column], values[row, column] = column * repeats + chosen, block[places, chosen].sum()
    rows, columns = linear_sum_assignment(values, maximize=True)
    return np.concatenate([inner[row, column] for row, column in zip(rows, columns, strict=True)]).astype(np.int64)


def matched_similarity(products: NDArray[np.floating], repeats: int = 1) -> NDArray[np.float32]:
    """Cosines of every two layers' maps with the heads of one in the best order for the other, [layers, layers].

    Args:
        products: as `AttentionSimilarity.products`, [layers, layers, heads, heads].
        repeats: as `head_order`.
    """
    layers, places = len(products), np.arange(products.shape[-1])
    found = np.eye(layers, dtype=np.float32)
    for first in range(layers):
        for second in range(first + 1, layers):
            both = products[first, second]
            found[first, second] = found[second, first] = both[places, head_order(both, repeats)].sum()
    return found


def match_heads(model: PreTrainedModel, groups: Sequence[Sequence[int]], products: NDArray[np.floating]) -> None:
    """Put the heads of each follower in the order of its anchor's, in place; the model's outputs stay as they are.

    MPNet's do not, until maps are shared: each of its heads has a bias of its own on the scores, the same in all
    layers. A follower needs none.

    Args:
        groups: as `students.sharing.grouping` has them.
        products: as `AttentionSimilarity.products`.

    Raises:
        InputError: a family whose layers have no maps to share.
    """
    names, layers = attention_names(model.config), layer_list(model)[1]
    for follower, anchor in followers(groups).items():
        order = head_order(products[anchor, follower], query_repeats(model.config))
        _reorder(layers[follower], names, order, query_repeats(model.config))


def query_repeats(config: PreTrainedConfig) -> int:
    """Query heads that read the same keys and values: 1 but for grouped-query attention."""
    heads = int(getattr(config, "num_attention_heads", 1) or 1)
    return heads // int(getattr(config, "num_key_value_heads", None) or heads)


@torch.no_grad()
def _reorder(layer: nn.Module, names: AttentionNames, order: NDArray[np.int64], repeats: int) -> None:
    attention = layer.get_submodule(names.attention)
    queries, keys = torch.from_numpy(order), torch.from_numpy(order[::repeats] // repeats)
    for name, part in attention.named_children():
        if not isinstance(part, nn.Linear) or name == names.output:
            continue
        if name in names.map_only and not hasattr(attention, names.value):  # one projection to all three
            _permute_rows(part, torch.cat([queries + turn * len(queries) for turn in range(3)]))
        else:
            of_keys = name == names.value or name in names.map_only[1:2]
            _permute_rows(part, keys if of_keys else queries)
    output = layer.get_submodule(names.projection)
    assert isinstance(output, nn.Linear)
    output.weight.copy_(output.weight.unflatten(1, (len(queries), -1))[:, queries.to(output.weight.device)].flatten(1))


def _permute_rows(projection: nn.Linear, order: torch.Tensor) -> None:
    """Put the rows of a projection to heads into another order of heads."""
    for weight in (projection.weight, projection.bias):
        if weight is not None:
            weight.copy_(weight.unflatten(0, (len(order), -1))[order.to(weight.device)].flatten(0, 1))
