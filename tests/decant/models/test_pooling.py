from __future__ import annotations

import pytest
import torch

from decant.models.pooling import PoolingKind, pool, pooled_width, token_states

STATES = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 9.0], [100.0, -100.0]]])
MASK = torch.tensor([[1, 1, 1, 0]])  # [CLS] word [SEP] padding


@pytest.mark.parametrize(
    ("kind", "vector"),
    [
        ("mean", [3.0, 5.0]),
        ("cls", [1.0, 2.0]),
        ("concat_top_mean", [4.0, 6.5]),  # without [CLS], with [SEP]
    ],
)
def test_hand_computed(kind: PoolingKind, vector: list[float]) -> None:
    assert pool(STATES, MASK, kind).tolist() == [vector]


@pytest.mark.parametrize("kind", ["mean", "cls", "concat_top_mean"])
def test_padding_changes_nothing(kind: PoolingKind) -> None:
    padded_states = torch.cat([STATES, torch.full((1, 7, 2), 1e4)], dim=1)
    padded_mask = torch.cat([MASK, torch.zeros(1, 7, dtype=torch.int64)], dim=1)
    assert torch.equal(pool(padded_states, padded_mask, kind), pool(STATES, MASK, kind))


def test_rows_do_not_mix() -> None:
    states = torch.cat([STATES, STATES.flip(1)])
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]])
    assert pool(states, mask, "mean").tolist() == [[3.0, 5.0], [52.5, -45.5]]


def test_nothing_but_padding_is_no_nan() -> None:
    assert pool(STATES, torch.zeros_like(MASK), "mean").tolist() == [[0.0, 0.0]]


def test_top_four_layers_side_by_side() -> None:
    hidden = [torch.full((1, 2, 3), float(layer)) for layer in range(7)]
    states = token_states(hidden, "concat_top_mean")
    assert states.shape == (1, 2, 12)
    assert states[0, 0].tolist() == [3.0] * 3 + [4.0] * 3 + [5.0] * 3 + [6.0] * 3
    assert torch.equal(token_states(hidden, "mean"), hidden[6])
    assert torch.equal(token_states(hidden, "cls"), hidden[6])


def test_width() -> None:
    widths = [pooled_width(384, "mean"), pooled_width(384, "cls"), pooled_width(384, "concat_top_mean")]
    assert widths == [384, 384, 1536]
