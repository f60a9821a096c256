import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from students.losses.list_losses import (
    ListTargets,
    list_info_nce,
    list_kl,
    list_loss,
    list_margin_mse,
    standardised,
)
from students.losses.loss_weights import ListTemperatures

WHOLE = torch.tensor([[True, True, True]])
SHORT = torch.tensor([[True, True, False]])


def test_scores_are_standardised_over_the_documents_that_are_there() -> None:
    # mean 2, sd √(2/3)
    assert standardised(torch.tensor([[1.0, 2.0, 3.0]]), WHOLE)[0].tolist() == pytest.approx(
        [-math.sqrt(1.5), 0, math.sqrt(1.5)], abs=1e-6
    )
    assert standardised(torch.tensor([[1.0, 3.0, 99.0]]), SHORT)[0].tolist() == pytest.approx([-1, 1, 0])
    assert standardised(torch.tensor([[5.0, 5.0, 5.0]]), WHOLE)[0].tolist() == [0, 0, 0]


def test_kl_of_a_list_by_hand() -> None:
    # standardised −1 and 1 at T = 2: p = 1/(1 + e); cosines 0.1 and 0.0 at T' = 0.1: q = e/(1 + e)
    p, q = 1 / (1 + math.e), math.e / (1 + math.e)
    expected = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    cosines, teacher = torch.tensor([[0.1, 0.0, 0.9]]), torch.tensor([[3.0, 7.0, -4.0]])
    found = list_kl(cosines, teacher, SHORT, ListTemperatures(0.1, 2.0))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_kl_is_none_for_the_teachers_own_distribution_on_any_scale() -> None:
    teacher = torch.tensor([[1.0, 5.0, 2.0], [0.0, -3.0, 8.0]])
    cosines = 0.05 * standardised(100 * teacher + 7, WHOLE.expand(2, 3))
    assert list_kl(cosines, teacher, WHOLE.expand(2, 3), ListTemperatures()).item() == pytest.approx(0, abs=1e-6)


def test_margins_by_hand() -> None:
    # margins to the second: own 0.3, 0.5; teacher's 0.2, 0.9: (0.1² + 0.4²)/2
    cosines, teacher = torch.tensor([[0.5, 0.8, 0.3]]), torch.tensor([[0.7, 0.9, 0.0]])
    found = list_margin_mse(cosines, teacher, WHOLE, torch.tensor([1]))
    assert found.item() == pytest.approx((0.01 + 0.16) / 2, rel=1e-5)
    assert list_margin_mse(cosines, teacher, SHORT, torch.tensor([1])).item() == pytest.approx(0.01, rel=1e-5)


def test_margins_do_not_know_an_offset() -> None:
    cosines, teacher = torch.tensor([[0.5, 0.8, 0.3]]), torch.tensor([[1.5, 1.8, 1.3]])
    assert list_margin_mse(cosines, teacher, WHOLE, torch.tensor([0])).item() == pytest.approx(0, abs=1e-10)


def test_info_nce_by_hand() -> None:
    # positives at 0.2 and 0.1 against negatives at 0.0 and 0.3, T = 0.1
    cosines = torch.tensor([[0.2, 0.1, 0.0], [0.4, 0.4, 0.4]])
    every = torch.tensor([[0.2, 0.1, 0.0, 0.3, 0.9, 0.9], [0.4] * 6])
    relevant = torch.tensor([[True, True, False], [False, False, False]])
    negative = torch.tensor([[False, False, True, True, False, False], [True] * 6])
    others = 1 + math.exp(3)
    expected = -sum(math.log(math.exp(one) / (math.exp(one) + others)) for one in (2, 1)) / 2
    assert list_info_nce(cosines, every, relevant, negative, 0.1).item() == pytest.approx(expected, rel=1e-5)


def test_info_nce_without_a_positive_or_without_a_negative_is_none() -> None:
    cosines = torch.tensor([[0.2, 0.1]], requires_grad=True)
    nothing, all_of_it = torch.zeros(1, 2, dtype=torch.bool), torch.ones(1, 2, dtype=torch.bool)
    for relevant, negative in ((nothing, all_of_it), (all_of_it, nothing)):
        loss = list_info_nce(cosines, cosines, relevant, negative, 0.05)
        loss.backward()
        assert loss.item() == pytest.approx(0, abs=1e-6)
        assert cosines.grad is not None
        assert torch.isfinite(cosines.grad).all()


def targets(teacher: Tensor, present: Tensor, documents: int) -> ListTargets:
    """Of two lists of three documents each, the first of which is relevant, and those of the other list negatives."""
    place = torch.arange(6).view(2, 3)
    place = functional.pad(place, (0, teacher.shape[1] - 3))
    relevant = torch.zeros_like(present)
    relevant[:, 0] = True
    negative = torch.zeros(2, documents, dtype=torch.bool)
    negative[0, 3:6] = negative[1, :3] = True
    return ListTargets(place, teacher, present, torch.zeros(2, dtype=torch.int64), relevant, negative)


def test_the_mix_is_the_weighted_sum_and_padding_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    queries = functional.normalize(torch.randn(2, 8, generator=generator), dim=1)
    documents = functional.normalize(torch.randn(6, 8, generator=generator), dim=1)
    teacher, present = torch.randn(2, 3, generator=generator), torch.ones(2, 3, dtype=torch.bool)

    def loss(weights: dict[str, float], extra: int = 0) -> float:
        given = targets(functional.pad(teacher, (0, extra), value=9.0), functional.pad(present, (0, extra)), 6)
        return list_loss(queries, documents, given, weights, ListTemperatures()).item()  # type: ignore[arg-type]

    each = [loss({name: 1.0}) for name in ("kl", "margin_mse", "info_nce")]
    assert all(value > 0 for value in each)
    assert loss({"kl": 2.0, "margin_mse": 3.0, "info_nce": 0.5}) == pytest.approx(
        2 * each[0] + 3 * each[1] + 0.5 * each[2], rel=1e-5
    )
    own = (documents.view(2, 3, 8) @ queries[:, :, None])[:, :, 0]
    assert each[0] == pytest.approx(list_kl(own, teacher, present, ListTemperatures()).item(), rel=1e-5)
    assert each[1] == pytest.approx(
        list_margin_mse(own, teacher, present, torch.zeros(2, dtype=torch.int64)).item(), rel=1e-5
    )
    for name, value in zip(("kl", "margin_mse", "info_nce"), each, strict=True):
        assert loss({name: 1.0}, extra=2) == pytest.approx(value, rel=1e-4)
