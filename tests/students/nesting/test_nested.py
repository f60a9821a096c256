from __future__ import annotations

import numpy as np
import pytest
import torch

from decant.batches import padded
from decant.errors import InputError
from students.cuts.cut import cut
from students.nesting.exits import encode_exits, unit_slice
from students.nesting.nested import StepExits, all_dims, grid_predictions, teacher_agreement
from students.nesting.nesting import GridNesting, LastNesting, MatryoshkaNesting, TwoDNesting
from students.pair_student import Student
from tests.tiny_models import BACKBONES, tiny_encoder

TEXTS = ["a big dog", "the cat sleep in a small house on the street", "river", "two women play guitar"]
PAIRS = [("a big dog", "river"), ("a cat", "a small cat"), ("two women play guitar", "a man sleep")]


def test_a_step_depends_on_seed_and_number_alone() -> None:
    exits = StepExits(tiny_encoder(), TwoDNesting(), (8, 16), seed=3)
    again = StepExits(tiny_encoder(), TwoDNesting(), (8, 16), seed=3)
    other = StepExits(tiny_encoder(), TwoDNesting(), (8, 16), seed=4)
    steps = [exits.plan(number) for number in range(40)]
    assert [again.plan(number) for number in reversed(range(40))] == steps[::-1]
    assert [other.plan(number) for number in range(40)] != steps
    assert len(set(steps)) > 3


@pytest.mark.parametrize("kind", BACKBONES)
def test_a_shallow_step_gives_the_same_exits(kind: str) -> None:
    encoder = tiny_encoder(kind)
    exits = StepExits(encoder, GridNesting(depth_sampling=0.5), (), seed=0)
    ids, mask = padded(encoder.tokenize(TEXTS), int(encoder.tokenizer.pad_token_id))
    deep = next(step for step in map(exits.plan, range(50)) if step.deepest == 4)
    shallow = next(step for step in map(exits.plan, range(50)) if step.deepest == 2)
    half, whole = exits.forward(shallow, ids, mask), exits.forward(deep, ids, mask)  # the shallow one first
    assert (len(whole), len(half)) == (4, 2)
    assert len(encode_exits(encoder, TEXTS)) == 4
    for one, other in zip(half, whole, strict=False):
        torch.testing.assert_close(one, other)


def test_states_of_a_step_are_those_its_vectors_are_pooled_from() -> None:
    encoder = tiny_encoder()
    exits = StepExits(encoder, GridNesting(), (), seed=0)
    ids, mask = padded(encoder.tokenize(TEXTS), int(encoder.tokenizer.pad_token_id))
    step = exits.plan(0)
    output = encoder.backbone(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    for own, other in zip(exits.states(step, ids, mask), output.hidden_states[1:], strict=True):
        torch.testing.assert_close(own, other)
    whole = exits.forward(step, ids, mask)[-1]
    torch.testing.assert_close(torch.nn.functional.normalize(whole, dim=1), encoder(ids, mask)[1])


def test_a_shallow_step_trains_the_encoder_itself() -> None:
    encoder = tiny_encoder()
    exits = StepExits(encoder, GridNesting(depth_sampling=0.5), (), seed=0)
    ids, mask = padded(encoder.tokenize(TEXTS), int(encoder.tokenizer.pad_token_id))
    shallow = next(step for step in map(exits.plan, range(50)) if step.deepest == 2)
    exits.loss(exits.forward(shallow, ids, mask), shallow, lambda vectors, layer, dim: vectors.sum()).backward()
    layers = encoder.backbone.encoder.layer
    assert layers[1].output.dense.weight.grad is not None
    assert layers[2].output.dense.weight.grad is None


def test_the_loss_sees_unit_slices_of_every_term() -> None:
    encoder = tiny_encoder()
    exits = StepExits(encoder, MatryoshkaNesting(dim_weights=(1.0, 3.0)), (8,), seed=0)
    step = exits.plan(0)
    vectors = [torch.randn(5, 32) for _ in range(4)]
    seen = {}

    def base(unit: torch.Tensor, layer: int, dim: int) -> torch.Tensor:
        seen[layer, dim] = unit
        return torch.tensor(float(dim))

    assert float(exits.loss(vectors, step, base)) == pytest.approx((32 + 3 * 8) / 4)
    assert set(seen) == {(4, 32), (4, 8)}
    torch.testing.assert_close(seen[4, 8], torch.nn.functional.normalize(vectors[3][:, :8], dim=1))


def test_grid_predictions_are_the_cosines_of_the_cuts() -> None:
    encoder = tiny_encoder()
    grid = grid_predictions(encoder, PAIRS, (32, 8))
    assert set(grid) == {(layers, dim) for layers in (1, 2, 3, 4) for dim in (32, 8)}
    for (layers, dim), predicted in grid.items():
        np.testing.assert_allclose(predicted, Student(cut(encoder, layers, dim)).predict(PAIRS), atol=1e-6)


def test_agreement_is_whole_with_oneself_and_less_with_another() -> None:
    encoder = tiny_encoder()
    vectors = unit_slice(encode_exits(encoder, TEXTS)[1], 32)
    found = teacher_agreement(encoder, TEXTS, vectors, (32, 8))
    assert found[2, 32] == pytest.approx(1, abs=1e-6)
    assert found[1, 8] < 0.999


def test_dims_fall_and_hold_the_full_width() -> None:
    encoder = tiny_encoder()
    assert all_dims(32, (8, 16)) == (32, 16, 8)
    assert all_dims(32, ()) == (32,)
    with pytest.raises(InputError, match=r"dims \[64\]: 64 is outside 1\.\.32"):
        all_dims(32, (64,))
    with pytest.raises(InputError, match=r"dims \[8, 8\]: a length stands there twice"):
        all_dims(32, (8, 8))
    with pytest.raises(InputError, match="two_d draws a dim below the full"):
        StepExits(encoder, TwoDNesting(), (), seed=0)
    assert StepExits(encoder, LastNesting(), (), seed=0).plan(7).deepest == 4
