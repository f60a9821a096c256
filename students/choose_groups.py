"""Which consecutive layers share one attention map, from how alike their maps are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from students.layer_costs import ModelCost
from students.sharing_settings import THRESHOLD, SharingSettings
from teachers.errors import InputError

Groups = tuple[tuple[int, ...], ...]
ROUNDING = 1e-12  # of a sum of shares


def choose_groups(
    similarity: NDArray[np.floating], settings: SharingSettings, cost: ModelCost, kinds: Sequence[str], length: int
) -> Groups:
    """The groups that the settings ask for: as they are written, or chosen.

    Args:
        similarity: symmetric cosines [layers, layers].
        cost: of the same layers.
        kinds: of each layer's attention; a group is of one kind.
        length: tokens of an input, which the share of FLOPs depends on.

    Returns:
        Consecutive 0-based layer numbers, two or more a group; the first is the one whose map is computed. None at
        all where no two layers are as alike as the threshold asks.

    Raises:
        InputError: so much cannot be saved.
    """
    if settings.groups is not None:
        return settings.groups
    if settings.save is None:
        threshold = THRESHOLD if settings.threshold is None else settings.threshold
        return grow_groups(similarity, threshold, settings, kinds)
    savings = cost.savings(settings.of, length)
    return groups_that_save(similarity, savings, settings.save, settings, kinds)


def grow_groups(
    similarity: NDArray[np.floating], threshold: float, settings: SharingSettings, kinds: Sequence[str]
) -> Groups:
    """Grow each group, from the first layer on, while every two of its layers are at least as alike as `threshold`.

    Any part of a group that holds to the rule holds to it too, so no other grouping leaves fewer maps to compute.

    Args:
        settings: `longest`, `free_first` and `free_last` are read.
    """
    groups: list[tuple[int, ...]] = []
    end = len(similarity) - settings.free_last
    start = settings.free_first
    while start < end:
        stop = start + 1
        while (
            stop < min(end, start + settings.longest)
            and kinds[stop] == kinds[start]
            and similarity[start:stop, stop].min() >= threshold
        ):
            stop += 1
        if stop > start + 1:
            groups.append(tuple(range(start, stop)))
        start = stop
    return tuple(groups)


def groups_that_save(
    similarity: NDArray[np.floating],
    savings: NDArray[np.float64],
    save: float,
    settings: SharingSettings,
    kinds: Sequence[str],
) -> Groups:
    """The most alike groups that save enough: those of the highest threshold whose groups reach it.

    Args:
        savings: share of the model that each layer saves as a follower, 0..1 [layers].
        save: least share to be saved, 0..1.
        settings: as `grow_groups`.

    Raises:
        InputError: even with every layer grouped that may be, less is saved; says how much.
    """
    most = 0.0
    for threshold in np.unique(similarity)[::-1]:
        groups = grow_groups(similarity, float(threshold), settings, kinds)
        saved = float(sum(savings[number] for group in groups for number in group[1:]))
        if saved >= save - ROUNDING:
            return groups
        most = max(most, saved)
    raise InputError(
        f"sharing cannot save {100 * save:g} % of {settings.of}: the most is {_floored(most)} %, with longest "
        f"{settings.longest}, free_first {settings.free_first} and free_last {settings.free_last}; ask for less, "
        "or free fewer layers"
    )


def _floored(share: float) -> str:
    """A share as percent with two decimals, never rounded up, so that what is named can be had."""
    return f"{np.floor(1e4 * share) / 100:.2f}"
