from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from decant.errors import InputError
from students.sharing.choose_groups import Groups, alike_groups, choose_groups, groups_that_save, nearest_pair
from students.sharing.layer_costs import LayerCost, ModelCost
from students.sharing.sharing_settings import SharingSettings

SAME = ("full_attention",) * 6


def symmetric(layers: int, pairs: dict[tuple[int, int], float], otherwise: float = 0.5) -> NDArray[np.float64]:
    matrix = np.full((layers, layers), otherwise)
    np.fill_diagonal(matrix, 1)
    for (i, j), value in pairs.items():
        matrix[i, j] = matrix[j, i] = value
    return matrix


def chain(*neighbours: float) -> NDArray[np.float64]:
    """Two layers are as alike as the least alike neighbours between them."""
    layers = len(neighbours) + 1
    pairs = {(i, j): min(neighbours[i:j]) for i in range(layers) for j in range(i + 1, layers)}
    return symmetric(layers, pairs)


def free(**changes: int) -> SharingSettings:
    return SharingSettings.model_validate({"free_first": 0, "free_last": 0} | changes)


def uniform(layers: int) -> ModelCost:
    """A layer saves 4 % of the parameters."""
    layer = LayerCost(query_width=5, weights=60, query_key_weights=20, query_key_parameters=40)
    return ModelCost((layer,) * layers, parameters=1000)


def test_groups_end_where_neighbours_differ() -> None:
    assert alike_groups(chain(0.95, 0.8, 0.95, 0.95, 0.7), 0.9, free(), SAME) == ((0, 1), (2, 3, 4))
    assert alike_groups(chain(0.95, 0.8, 0.95, 0.95, 0.7), 0.8, free(longest=5), SAME) == ((0, 1, 2, 3, 4),)


def test_the_least_alike_pair_counts_not_the_neighbours_alone() -> None:
    alike = symmetric(3, {(0, 1): 0.95, (1, 2): 0.95, (0, 2): 0.6})
    assert alike_groups(alike, 0.9, free(), SAME[:3]) == ((0, 1),)
    assert alike_groups(alike, 0.6, free(), SAME[:3]) == ((0, 1, 2),)


def test_longest_and_free_ends() -> None:
    alike = symmetric(6, {}, otherwise=1)
    assert alike_groups(alike, 0.9, free(longest=2), SAME) == ((0, 1), (2, 3), (4, 5))
    assert alike_groups(alike, 0.9, free(longest=5), SAME) == ((0, 1, 2, 3, 4),)
    assert alike_groups(alike, 0.9, SharingSettings(), SAME) == ((1, 2, 3, 4),)
    assert alike_groups(alike, 0.9, free(free_first=2, free_last=3), SAME) == ()
    assert alike_groups(alike, 0.9, free(free_first=9, free_last=9), SAME) == ()


def test_kinds_are_never_mixed() -> None:
    kinds = ("full", "local", "local", "full", "local", "local")
    assert alike_groups(symmetric(6, {}, otherwise=1), -1, free(), kinds) == ((1, 2), (4, 5))


def test_the_settings_decide() -> None:
    alike = chain(0.99, 0.85, 0.8, 0.92, 0.99)
    cost = uniform(6)

    def chosen(**settings: object) -> Groups:
        return choose_groups(alike, SharingSettings.model_validate(settings), cost, SAME, length=2)

    assert chosen() == ((3, 4),)
    assert chosen(threshold=0.85) == ((1, 2), (3, 4))
    assert chosen(threshold=0.99) == ()
    assert chosen(groups=[[0, 1], [2, 3]]) == ((0, 1), (2, 3))
    assert chosen(save=0.04) == ((3, 4),)
    assert chosen(save=0.041) == ((1, 2), (3, 4))
    assert chosen(save=0.1) == ((1, 2, 3, 4),)


def test_flops_are_another_measure_than_parameters() -> None:
    alike, cost = chain(0.99, 0.85, 0.8, 0.92, 0.99), uniform(6)
    one = cost.saved([(3, 4)], "flops", 2)
    assert one == pytest.approx((2 * 2 * 20 + 2 * 4 * 5) / (6 * (2 * 2 * 60 + 4 * 4 * 5)))
    assert one > 0.05 > cost.saved([(3, 4)], "parameters", 2)
    assert choose_groups(alike, SharingSettings(save=0.05, of="flops"), cost, SAME, 2) == ((3, 4),)
    assert choose_groups(alike, SharingSettings(save=0.05), cost, SAME, 2) == ((1, 2), (3, 4))


def test_what_cannot_be_saved_is_said_with_the_most_that_can() -> None:
    alike = chain(0.99, 0.85, 0.8, 0.92, 0.99)
    said = r"cannot save 13 % of parameters: the most is 12.00 %, with longest 4, free_first 1 and free_last 1"
    with pytest.raises(InputError, match=said):
        choose_groups(alike, SharingSettings(save=0.13), uniform(6), SAME, 2)
    assert choose_groups(alike, SharingSettings(save=0.12), uniform(6), SAME, 2) == ((1, 2, 3, 4),)
    with pytest.raises(InputError, match=r"the most is 0.00 %"):
        choose_groups(alike, SharingSettings(save=0.01, free_first=5), uniform(6), SAME, 2)


def every_grouping(start: int, end: int, longest: int) -> Iterator[Groups]:
    if start >= end:
        yield ()
        return
    for size in range(1, min(longest, end - start) + 1):
        for rest in every_grouping(start + size, end, longest):
            yield (tuple(range(start, start + size)), *rest) if size > 1 else rest


def taken(alike: NDArray[np.float64], groups: Groups) -> tuple[int, float]:
    """How many layers take a map, and the sum of their cosines to its layer."""
    cosines = [alike[group[0], number] for group in groups for number in group[1:]]
    return len(cosines), sum(cosines)


def test_a_more_alike_pair_further_on_is_not_passed_over() -> None:
    assert alike_groups(symmetric(3, {(0, 1): 0.9, (1, 2): 0.95}), 0.9, free(), SAME[:3]) == ((1, 2),)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_grouping_is_better(seed: int) -> None:
    """Against all groupings of 7 layers: none leaves fewer maps at a threshold, and none with as few is more alike."""
    random = np.random.default_rng(seed).random((7, 7))
    alike = np.maximum(random, random.T)
    np.fill_diagonal(alike, 1)
    settings, savings, kinds = free(longest=3), np.full(7, 0.1), SAME[:1] * 7
    grouping = list(every_grouping(0, 7, 3))
    least = [min((alike[np.ix_(group, group)].min() for group in groups), default=1.0) for groups in grouping]
    followers = [sum(len(group) - 1 for group in groups) for groups in grouping]
    for threshold in (0.3, 0.5, 0.7):
        found = alike_groups(alike, threshold, settings, kinds)
        allowed = [index for index, value in enumerate(least) if value >= threshold]
        assert taken(alike, found) == pytest.approx(max(taken(alike, grouping[index]) for index in allowed))
    for wanted in range(1, 5):
        found = groups_that_save(alike, savings, 0.1 * wanted - 1e-9, settings, kinds)
        best = max(value for count, value in zip(followers, least, strict=True) if count >= wanted)
        assert min(alike[np.ix_(group, group)].min() for group in found) == best
        assert sum(len(group) - 1 for group in found) >= wanted


def test_the_neighbours_that_come_nearest() -> None:
    similarity = chain(0.9, 0.3, 0.7, 0.8, 0.2)
    assert nearest_pair(similarity, free(), SAME) == (0.9, 0)
    assert nearest_pair(similarity, free(free_first=1, free_last=2), SAME) == (0.7, 2)
    kinds = ("sliding_attention", *SAME[1:])
    assert nearest_pair(similarity, free(), kinds) == (0.8, 3)
    assert nearest_pair(similarity, free(free_first=3, free_last=2), SAME) is None
