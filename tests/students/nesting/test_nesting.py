from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from decant.errors import InputError
from students.nesting.nesting import (
    Agreement,
    Compression,
    EseNesting,
    GridNesting,
    LastNesting,
    MatryoshkaNesting,
    Nesting,
    StarbucksNesting,
    Step,
    Term,
    TwoDNesting,
    agreement_options,
    check_nesting,
    layer_weight,
    plan_step,
    starbucks_sizes,
)

DIMS = (64, 384, 128)


def steps(nesting: Nesting, layers: int, dims: tuple[int, ...] = DIMS, count: int = 1) -> list[Step]:
    check_nesting(nesting, layers, dims)
    generator = np.random.default_rng(7)
    return [plan_step(nesting, layers, dims, generator) for _ in range(count)]


def ones(*exits: tuple[int, int]) -> tuple[Term, ...]:
    return tuple(Term(layer, dim, 1.0) for layer, dim in exits)


def test_a_recipe_picks_by_kind() -> None:
    nesting = TypeAdapter(Nesting)
    assert nesting.validate_python({"kind": "grid", "layer_weights": "log"}) == GridNesting(layer_weights="log")
    sizes = {"kind": "starbucks", "sizes": [[1, 32], [2, 64]]}
    assert nesting.validate_python(sizes) == StarbucksNesting(sizes=((1, 32), (2, 64)))
    for kind in ("last", "matryoshka", "two_d", "ese", "starbucks", "grid"):
        assert nesting.validate_python({"kind": kind}).kind == kind
    with pytest.raises(ValidationError, match="'last', 'matryoshka', 'two_d', 'ese', 'starbucks', 'grid'"):
        nesting.validate_python({"kind": "2dmse"})
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        nesting.validate_python({"kind": "ese", "temperature": 2})


@pytest.mark.parametrize(
    ("kind", "field", "value", "message"),
    [
        ("grid", "depth_sampling", 1.0, "less than 1"),
        ("grid", "layer_weights", "sqrt", "'none', 'linear' or 'log'"),
        ("matryoshka", "dim_weights", [1, 0], "greater than 0"),
        ("starbucks", "sizes", [[0, 32]], "greater than or equal to 1"),
        ("two_d", "temperature", 0, "greater than 0"),
    ],
)
def test_settings_out_of_range(kind: str, field: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Nesting).validate_python({"kind": kind, field: value})


@pytest.mark.parametrize(
    ("nesting", "layers", "dims", "message"),
    [
        (LastNesting(), 0, (8,), "has 0 layers; it needs 1 or more"),
        (LastNesting(), 2, (), "dims are none"),
        (GridNesting(), 2, (8, 4, 8), "dims are 8, 4, 8; give one or more, each 1 or more and named once"),
        (GridNesting(), 2, (8, 0), "dims are 8, 0"),
        (MatryoshkaNesting(dim_weights=(1, 0.5)), 2, (8, 4, 2), r"2 dim_weights for 3 dims \(8, 4, 2\)"),
        (TwoDNesting(), 1, (8, 4), "two_d draws a layer below the last, but the student has 1"),
        (TwoDNesting(), 3, (8,), "two_d draws a dim below the full 8; add a smaller one"),
        (EseNesting(), 3, (8,), "ese draws a dim below the full 8; add a smaller one"),
        (
            StarbucksNesting(sizes=((2, 4), (1, 8))),
            2,
            (8, 4),
            r"are \(2, 4\), \(1, 8\); each must grow",
        ),
        (
            StarbucksNesting(sizes=((1, 4), (1, 4), (2, 8))),
            2,
            (8, 4),
            "each must grow in layers or dim and shrink in neither",
        ),
        (StarbucksNesting(sizes=((1, 4), (2, 4))), 2, (8, 4), r"end with \(2, 4\), but the student is \(2, 8\)"),
        (StarbucksNesting(sizes=((1, 4), (3, 8))), 2, (8, 4), r"end with \(3, 8\), but the student is \(2, 8\)"),
    ],
)
def test_what_cannot_be_trained_is_refused(nesting: Nesting, layers: int, dims: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_nesting(nesting, layers, dims)


def test_last_and_matryoshka() -> None:
    assert steps(LastNesting(), 6) == [Step(ones((6, 384)))]
    assert steps(MatryoshkaNesting(), 6) == [Step(ones((6, 64), (6, 384), (6, 128)))]
    weighted = steps(MatryoshkaNesting(dim_weights=(0.1, 1.0, 0.3)), 6)
    assert weighted == [Step((Term(6, 64, 0.1), Term(6, 384, 1.0), Term(6, 128, 0.3)))]


def test_two_d_draws_every_corner() -> None:
    drawn = steps(TwoDNesting(), 4, count=300)
    for step in drawn:
        layer, dim = step.terms[3][:2]
        assert step.terms == ones((4, 384), (layer, 384), (4, dim), (layer, dim))
        assert step.agreements == (Agreement(layer, 384, 1.0),)
        assert step.deepest == 4
    counts = {(step.terms[3].layer, step.terms[3].dim): 0 for step in drawn}
    assert set(counts) == {(layer, dim) for layer in (1, 2, 3) for dim in (64, 128)}
    for step in drawn:
        counts[step.terms[3].layer, step.terms[3].dim] += 1
    assert min(counts.values()) > 30, "uniform: 50 expected of each"


def test_ese_trains_every_layer_at_one_dim() -> None:
    drawn = steps(EseNesting(), 3, count=40)
    for step in drawn:
        dim = step.terms[1].dim
        cut = [(1, dim, 1 / (1 + math.log(2))), (2, dim, 1 / (1 + math.log(3))), (3, dim, 1.0)]
        assert step.terms == (Term(3, 384, 1.0), *(Term(*part) for part in cut))
        assert step.compressions == tuple(Compression(*part) for part in cut)
        assert step.agreements == ()
    assert {step.terms[1].dim for step in drawn} == {64, 128}


def test_starbucks_sizes_are_the_papers() -> None:
    paper = ((2, 32), (4, 64), (6, 128), (8, 256), (10, 512), (12, 768))
    assert starbucks_sizes(12, (768, 32, 64, 128, 256, 512)) == paper
    assert starbucks_sizes(3, (8, 4, 2, 1)) == ((1, 1), (2, 2), (3, 4), (3, 8))
    assert starbucks_sizes(6, (384,)) == ((6, 384),)


def test_starbucks_agrees_below_the_last_layer() -> None:
    assert steps(StarbucksNesting(), 6) == [
        Step(ones((2, 64), (4, 128), (6, 384)), (Agreement(2, 64, 1.0), Agreement(4, 128, 1.0)))
    ]
    given = StarbucksNesting(sizes=((1, 32), (6, 32), (6, 384)))
    assert steps(given, 6) == [Step(ones((1, 32), (6, 32), (6, 384)), (Agreement(1, 32, 1.0),))]


def test_grid_is_every_exit() -> None:
    (step,) = steps(GridNesting(), 3)
    assert sorted(step.terms) == sorted(ones(*((i, d) for i in (1, 2, 3) for d in DIMS)))
    (step,) = steps(GridNesting(), 2, (384,))
    assert step.terms == ones((1, 384), (2, 384))


def test_grid_draws_one_small_dim_for_all_layers() -> None:
    drawn = steps(GridNesting(small_dims="draw"), 2, count=40)
    for step in drawn:
        dim = step.terms[1].dim
        assert step.terms == ones((1, 384), (1, dim), (2, 384), (2, dim))
    assert {step.terms[1].dim for step in drawn} == {64, 128}
    assert steps(GridNesting(small_dims="draw"), 1, (384,)) == [Step(ones((1, 384)))]


def test_deeper_exits_weigh_less() -> None:
    assert [layer_weight("none", i, 4) for i in (1, 2, 4)] == [1, 1, 1]
    assert [layer_weight("linear", i, 4) for i in (1, 2, 3, 4)] == [1, 0.75, 0.5, 0.25]
    assert [layer_weight("log", i, 4) for i in (1, 2, 4)] == [1, 1 / (1 + math.log(2)), 1 / (1 + math.log(4))]
    (step,) = steps(GridNesting(layer_weights="linear"), 2, (8, 4))
    assert step.terms == (Term(1, 8, 1.0), Term(1, 4, 1.0), Term(2, 8, 0.5), Term(2, 4, 0.5))


def test_depth_sampling_runs_half_the_layers_in_its_share_of_the_steps() -> None:
    drawn = steps(GridNesting(depth_sampling=0.25, layer_weights="linear"), 5, (8, 4), count=2000)
    share = sum(step.deepest == 3 for step in drawn) / len(drawn)
    assert {step.deepest for step in drawn} == {3, 5}
    assert share == pytest.approx(0.25, abs=0.03)
    shallow = next(step for step in drawn if step.deepest == 3)
    assert [term.weight for term in shallow.terms] == [1, 1, 0.8, 0.8, 0.6, 0.6], "as in the deep steps"
    assert {step.deepest for step in steps(GridNesting(), 5, (8,), count=50)} == {5}


@pytest.mark.parametrize("nesting", [TwoDNesting(), EseNesting(), GridNesting(small_dims="draw", depth_sampling=0.5)])
def test_draws_follow_the_generator(nesting: Nesting) -> None:
    assert steps(nesting, 6, count=20) == steps(nesting, 6, count=20)


def test_deepest_counts_every_part() -> None:
    assert Step(ones((2, 8), (1, 4))).deepest == 2
    assert Step(ones((1, 8)), agreements=(Agreement(3, 8, 1.0),)).deepest == 3
    assert Step(ones((1, 8)), compressions=(Compression(4, 2, 1.0),)).deepest == 4


def test_agreement_options() -> None:
    assert agreement_options(TwoDNesting(temperature=0.3)) == {"temperature": 0.3, "detach": True}
    assert agreement_options(StarbucksNesting(detach=False)) == {"temperature": 1.0, "detach": False}
    assert agreement_options(GridNesting()) == {"temperature": 1.0, "detach": True}
