"""Which consecutive layers share one attention map, from how alike their maps are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError
from students.sharing.grouping import Groups, followers
from students.sharing.layer_costs import ModelCost
from students.sharing.sharing_settings import THRESHOLD, SharingSettings

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
        return alike_groups(similarity, threshold, settings, kinds)
    savings = cost.savings(settings.of, length)
    return groups_that_save(similarity, savings, settings.save, settings, kinds)


def alike_groups(
    similarity: NDArray[np.floating], threshold: float, settings: SharingSettings, kinds: Sequence[str]
) -> Groups:
    """Groups in which every two layers are at least as alike as `threshold`, so that the fewest maps are computed.

    Growing each group from the first layer on, as far as the rule allows, leaves as few maps, but may pass over a
    more alike pair further on. So of all groupings with the fewest maps it is the one in which the layers are most
    like those whose map they take, by the sum of these cosines: found backwards, from the last free layer.

    Args:
        settings: `longest`, `free_first` and `free_last` are read.
    """
    start, end = settings.free_first, len(similarity) - settings.free_last
    best: dict[int, tuple[int, float, Groups]] = {end: (0, 0.0, ())}  # followers, their cosines, groups from there on
    for first in range(end - 1, start - 1, -1):
        options = []
        stop = first + 1
        while stop <= min(end, first + settings.longest) and _alike(similarity, kinds, first, stop, threshold):
            following, cosines, groups = best[stop]
            own = (tuple(range(first, stop)),) if stop > first + 1 else ()
            cosines += float(similarity[first, first + 1 : stop].sum())
            options.append((following + stop - first - 1, cosines, own + groups))
            stop += 1
        best[first] = max(reversed(options), key=lambda option: option[:2])
    return best[start][2] if start < end else ()


def nearest_pair(
    similarity: NDArray[np.floating], settings: SharingSettings, kinds: Sequence[str]
) -> tuple[float, int] | None:
    """The two neighbours that come nearest to a group: their cosine, and the first's number; None where none may share.

    Args:
        settings: `free_first` and `free_last` are read.
    """
    end = len(similarity) - settings.free_last
    return max(
        (
            (float(similarity[first, first + 1]), first)
            for first in range(settings.free_first, end - 1)
            if kinds[first] == kinds[first + 1]
        ),
        default=None,
    )


def groups_that_save(
    similarity: NDArray[np.floating],
    savings: NDArray[np.float64],
    save: float,
    settings: SharingSettings,
    kinds: Sequence[str],
) -> Groups:
    """The most alike groups that save enough: those of the highest threshold at which they reach it.

    Args:
        savings: share of the model that each layer saves as a follower, 0..1 [layers].
        save: least share to be saved, 0..1.
        settings: as `alike_groups`.

    Raises:
        InputError: even with every layer grouped that may be, less is saved; says how much.
    """
    most = 0.0
    for threshold in np.unique(similarity)[::-1]:
        groups = alike_groups(similarity, float(threshold), settings, kinds)
        saved = float(sum(savings[number] for number in followers(groups)))
        if saved >= save - ROUNDING:
            return groups
        most = max(most, saved)
    raise InputError(
        f"sharing cannot save {100 * save:g} % of {settings.of}: the most is {_floored(most)} %, with longest "
        f"{settings.longest}, free_first {settings.free_first} and free_last {settings.free_last}; ask for less, "
        "or free fewer layers"
    )


def _alike(similarity: NDArray[np.floating], kinds: Sequence[str], first: int, stop: int, threshold: float) -> bool:
    """Whether the last layer of first..stop − 1 fits to the others, which fit to each other."""
    last = stop - 1
    return last == first or (kinds[last] == kinds[first] and bool(similarity[first:last, last].min() >= threshold))


def _floored(share: float) -> str:
    """A share as percent with two decimals, never rounded up, so that what is named can be had."""
    return f"{np.floor(1e4 * share) / 100:.2f}"
