"""Which layers share one attention map: rules of a grouping, and what is left of it when layers go.

A grouping is a tuple of groups, a group a tuple of consecutive 0-based layer numbers. The first of a group is its
anchor, which computes the map; the others are its followers, which reuse it. A group of one shares nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from decant.errors import InputError

Groups = tuple[tuple[int, ...], ...]


def check_groups(
    groups: Sequence[Sequence[int]], layers: int, layer_kinds: Sequence[str] | None = None, where: str = "groups"
) -> None:
    """Refuse a grouping that a model cannot have.

    Args:
        layers: how many the model has.
        layer_kinds: the kind of attention of each layer, such as ModernBERT's local and global; None: all alike.
        where: what the error calls the grouping, such as a key of a recipe.

    Raises:
        InputError: an empty group, a layer that the model does not have, numbers that fall, skip a layer or stand
            twice, or layers of several kinds in one group.
    """
    before = -1
    for group in groups:
        said = f"{where}: {list(group)}"
        if not group:
            raise InputError(f"{said} is empty; name the layers that share a map, such as [2, 3]")
        unknown = [number for number in group if not 0 <= number < layers]
        if unknown:
            raise InputError(f"{said} names layer {unknown[0]}, but the model has {layers} (0..{layers - 1})")
        for number in group:
            if number <= before:
                raise InputError(
                    f"{said} comes to layer {number} after {before}; name each layer once, in rising order"
                )
            if number != group[0] and number != before + 1:
                raise InputError(f"{said} skips layer {before + 1}; the layers of a group follow one another")
            before = number
        kinds = sorted({layer_kinds[number] for number in group}) if layer_kinds is not None else []
        if len(kinds) > 1:
            raise InputError(f"{said} mixes {' and '.join(kinds)} layers, whose maps differ; group layers of one kind")


def sharing(groups: Sequence[Sequence[int]]) -> Groups:
    """The groups of two layers or more."""
    return tuple(tuple(group) for group in groups if len(group) > 1)


def followers(groups: Sequence[Sequence[int]]) -> dict[int, int]:
    """The anchor of each layer that reuses a map."""
    return {number: group[0] for group in groups for number in group[1:]}


def maps_computed(groups: Sequence[Sequence[int]], layers: int) -> int:
    """How many attention maps a forward through this many layers computes."""
    return layers - len(followers(groups))


def kept_groups(groups: Sequence[Sequence[int]], chosen: Sequence[int]) -> Groups:
    """The grouping of a model that keeps the chosen layers alone, in their new numbers.

    Args:
        chosen: rising, 0-based.

    Raises:
        InputError: a follower is chosen without its anchor.
    """
    new = {number: place for place, number in enumerate(chosen)}
    for number, anchor in followers(groups).items():
        if number in new and anchor not in new:
            raise InputError(
                f"keep layers {list(chosen)}: layer {number} reuses the attention map of layer {anchor}, which is not "
                f"kept; keep {anchor} too, or leave {number} out"
            )
    return sharing([[new[number] for number in group if number in new] for group in groups])
