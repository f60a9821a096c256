"""The last layer of a classifier's head, whose rows are its outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from decant.errors import InputError

PROBE = [[5, 6, 7, 8], [8, 7, 6, 5]]  # token ids; what they mean does not matter


def output_layer(model: PreTrainedModel) -> tuple[str, nn.Linear]:
    """The name and the float linear layer whose outputs are the logits: the only one of that width outside of the body.

    Args:
        model: with a head for sequence classification; one on the meta device will do.

    Raises:
        InputError: there is none, or more than one.
    """
    body = {id(module) for module in model.base_model.modules()}
    outputs = int(model.config.num_labels or 0)
    found = [
        (name, module)
        for name, module in model.named_modules()
        if type(module) is nn.Linear and id(module) not in body and module.out_features == outputs
    ]
    if len(found) != 1:
        names = ", ".join(name for name, _ in found) or "none"
        raise InputError(
            f"a {type(model).__name__} has a head of a form that Decant does not know (float linear layers of "
            f"{outputs} outputs in it: {names}); give a cross-encoder whose head ends in one"
        )
    return found[0]


@torch.no_grad()
def reorder_outputs(model: PreTrainedModel, order: Sequence[int]) -> None:
    """Put the rows of the last layer into another order, so that output i is what output `order[i]` was.

    Args:
        model: changed in place.
        order: each output's number once.

    Raises:
        InputError: the logits do not follow the rows, so something stands between them.
    """
    _, layer = output_layer(model)
    rows = torch.tensor(order, device=layer.weight.device)
    was_training = model.training
    before = _probe(model.eval())
    layer.weight.copy_(layer.weight[rows].clone())
    if layer.bias is not None:
        layer.bias.copy_(layer.bias[rows].clone())
    same = torch.allclose(_probe(model), before[:, rows], rtol=1e-4, atol=1e-4)
    model.train(was_training)
    if not same:
        kind = type(model).__name__
        raise InputError(f"the logits of a {kind} are not those of its last layer, so they cannot be put in order")


def _probe(model: PreTrainedModel) -> Tensor:
    ids = torch.tensor(PROBE, device=model.device)
    return model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.float()
