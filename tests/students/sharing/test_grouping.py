from __future__ import annotations

import pytest

from decant.errors import InputError
from students.sharing.grouping import Groups, check_groups, followers, kept_groups, maps_computed, sharing

KINDS = ["global", "local", "local", "global", "local", "local"]


@pytest.mark.parametrize("groups", [(), ((0,),), ((1, 2, 3),), ((0, 1), (2, 3, 4), (5,)), ((4, 5),)])
def test_groupings_that_a_model_can_have(groups: Groups) -> None:
    check_groups(groups, 6)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (((1, 2), (2, 3)), r"groups: \[2, 3\] comes to layer 2 after 2; name each layer once, in rising order"),
        (((3, 4), (1, 2)), r"groups: \[1, 2\] comes to layer 1 after 4; name each layer once"),
        (((3, 2),), r"groups: \[3, 2\] comes to layer 2 after 3"),
        (((2, 2),), r"groups: \[2, 2\] comes to layer 2 after 2"),
        (((1, 3),), r"groups: \[1, 3\] skips layer 2; the layers of a group follow one another"),
        (((4, 5, 6),), r"groups: \[4, 5, 6\] names layer 6, but the model has 6 \(0\.\.5\)"),
        (((-1, 0),), r"groups: \[-1, 0\] names layer -1, but the model has 6"),
        (((1, 2), ()), r"groups: \[\] is empty; name the layers"),
    ],
)
def test_groupings_that_no_model_can_have(groups: Groups, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_groups(groups, 6)


def test_a_group_holds_one_kind_of_attention() -> None:
    check_groups(((1, 2), (4, 5)), 6, KINDS)
    with pytest.raises(InputError, match=r"sharing: \[2, 3\] mixes global and local layers, whose maps differ"):
        check_groups(((2, 3),), 6, KINDS, where="sharing")


def test_what_follows_and_what_is_computed() -> None:
    groups = ((0,), (1, 2, 3), (5, 6))
    assert sharing(groups) == ((1, 2, 3), (5, 6))
    assert followers(groups) == {2: 1, 3: 1, 6: 5}
    assert maps_computed(groups, 8) == 5


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        (range(8), ((1, 2, 3), (5, 6))),
        (range(3), ((1, 2),)),
        (range(2), ()),
        (range(6), ((1, 2, 3),)),
        ([0, 1, 3, 5, 7], ((1, 2),)),
        ([1, 5, 6], ((1, 2),)),
        ([0, 4, 7], ()),
    ],
)
def test_groups_of_the_layers_that_are_kept(chosen: list[int], left: Groups) -> None:
    assert kept_groups(((1, 2, 3), (5, 6)), chosen) == left


def test_a_follower_needs_its_anchor() -> None:
    with pytest.raises(InputError, match=r"keep layers \[0, 2\]: layer 2 reuses the attention map of layer 1, which"):
        kept_groups(((1, 2, 3),), [0, 2])
