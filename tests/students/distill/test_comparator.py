from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from students.distill.comparator import Comparator

DIM, HIDDEN = 6, 10


def vectors(seed: int, count: int = 5) -> Tensor:
    return functional.normalize(torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed)), dim=-1)


@pytest.fixture
def comparator() -> Comparator:
    torch.manual_seed(0)
    return Comparator(DIM, 3, HIDDEN).eval()


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    return vectors(1), vectors(2)


def test_equals_one_linear_on_the_four_features(comparator: Comparator, pair: tuple[Tensor, Tensor]) -> None:
    u, v = (side * DIM**0.5 for side in pair)
    blocks = (comparator.from_first, comparator.from_second, comparator.from_product, comparator.from_difference)
    whole = nn.Linear(4 * DIM, HIDDEN)
    with torch.no_grad():
        whole.weight.copy_(torch.cat([block.weight for block in blocks], dim=1))
        whole.bias.copy_(comparator.from_first.bias)
    plain = nn.Sequential(whole, nn.ReLU(), comparator.output)
    torch.testing.assert_close(comparator(*pair), plain(torch.cat([u, v, u * v, (u - v).abs()], dim=1)))


def test_starts_as_that_linear_would(comparator: Comparator) -> None:
    torch.manual_seed(0)
    whole = nn.Linear(4 * DIM, HIDDEN)
    assert torch.equal(comparator.from_difference.weight, whole.weight[:, 3 * DIM :])
    assert torch.equal(comparator.from_first.bias, whole.bias)
    assert sum(weight.numel() for weight in comparator.parameters()) == 4 * DIM * HIDDEN + HIDDEN + HIDDEN * 3 + 3


def test_features_have_entries_of_about_one(comparator: Comparator) -> None:
    u, v = vectors(3, 1000), vectors(4, 1000)
    assert (u * comparator.scale).square().mean() == pytest.approx(1, abs=1e-4)
    assert (u * v * comparator.scale**2).square().mean() == pytest.approx(1, abs=0.2)


def test_cached_projections_are_equal(comparator: Comparator, pair: tuple[Tensor, Tensor]) -> None:
    u, v = pair
    query = u[:1]
    cached = comparator.compare(comparator.project_first(query), comparator.project_second(v), query, v)
    torch.testing.assert_close(cached, comparator(query.expand(len(v), -1), v))


def test_is_not_symmetric(comparator: Comparator, pair: tuple[Tensor, Tensor]) -> None:
    u, v = pair
    assert (comparator(u, v) - comparator(v, u)).abs().max() > 1e-3


@pytest.mark.parametrize("outputs", [1, 3])
def test_saved_and_loaded_is_equal(tmp_path: Path, pair: tuple[Tensor, Tensor], outputs: int) -> None:
    comparator = Comparator(DIM, outputs, HIDDEN)
    comparator.save(tmp_path)
    loaded = Comparator.load(tmp_path)
    assert (loaded.dim, loaded.outputs, loaded.hidden, loaded.training) == (DIM, outputs, HIDDEN, False)
    assert loaded(*pair).shape == (5, outputs)
    assert torch.equal(loaded(*pair), comparator(*pair))
