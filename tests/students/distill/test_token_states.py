from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor

from decant.batches import padded
from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.training.training import Training
from students.distill.distill_settings import BlockStates, DistillVectorsSettings, HiddenStates, RelationStates, States
from students.distill.distill_vectors import distill_vectors
from students.distill.token_states import Reader, StateLoss, check_states, teacher_layer
from students.losses.relation_losses import hidden_mse, relation_kl
from students.nesting.nested import StepExits
from students.nesting.nesting import GridNesting, LastNesting, Step, Term, TwoDNesting
from students.sharing.share_maps import share_attention
from tests.students.conftest import Topics, check_resumed_alike
from tests.students.distill.test_distill_vectors import Held, settings, texts_of
from tests.tiny_models import BACKBONES, tiny_encoder

TEXTS = ["a big dog", "the cat sleep in a small house on the street", "river"]
HIDDEN, RELATIONS = HiddenStates(kind="hidden"), RelationStates(kind="relations", heads=4)
KINDS = pytest.mark.parametrize("kind", [HIDDEN, RELATIONS], ids=lambda kind: kind.kind)


def batch_of(encoder: SentenceEncoder) -> tuple[Tensor, Tensor]:
    return padded(encoder.tokenize(TEXTS), int(encoder.tokenizer.pad_token_id))


def hidden_states(encoder: SentenceEncoder, ids: Tensor, mask: Tensor) -> list[Tensor]:
    """After layer 1, 2, …, as transformers itself gives them."""
    with torch.no_grad():
        output = encoder.backbone(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    return list(output.hidden_states[1:])


def state_loss(
    kind: States, student: SentenceEncoder, teacher: SentenceEncoder, step: Step | None = None
) -> tuple[StateLoss, Tensor]:
    """The module, and its loss of a step; by default of one that trains every layer."""
    exits = StepExits(student, GridNesting(), (8,), seed=0)
    step = step or exits.plan(0)
    torch.manual_seed(0)
    loss, batch = StateLoss(kind, student, teacher), batch_of(student)
    return loss, loss(step, exits.states(step, *batch), *batch)


@pytest.mark.parametrize(
    ("layers", "teacher_layers", "expected"),
    [
        (4, 12, [3, 6, 9, 12]),  # TinyBERT's own 4 of 12
        (6, 12, [2, 4, 6, 8, 10, 12]),
        (3, 4, [2, 3, 4]),
        (5, 3, [1, 2, 2, 3, 3]),
        (1, 12, [12]),
        (2, 2, [1, 2]),
    ],
)
def test_hidden_states_follow_layers_evenly(layers: int, teacher_layers: int, expected: list[int]) -> None:
    assert [teacher_layer(HIDDEN, i, layers, teacher_layers) for i in range(1, layers + 1)] == expected
    assert {teacher_layer(RELATIONS, i, layers, teacher_layers) for i in range(1, layers + 1)} == {teacher_layers}


def test_hidden_loss_is_the_mean_over_the_exits() -> None:
    student, teacher = tiny_encoder(num_hidden_layers=3), tiny_encoder(seed=9)
    own, taught = (hidden_states(one, *batch_of(student)) for one in (student, teacher))
    mask = batch_of(student)[1]
    expected = sum(hidden_mse(own[i], taught[j], mask) for i, j in ((0, 1), (1, 2), (2, 3))) / 3
    _, found = state_loss(HiddenStates(kind="hidden", weight=2.5), student, teacher)
    torch.testing.assert_close(found, 2.5 * expected)


def test_hidden_loss_of_other_widths_goes_through_a_map_an_exit() -> None:
    student, teacher = tiny_encoder(num_hidden_layers=2), tiny_encoder(seed=9, hidden_size=64)
    own, taught = (hidden_states(one, *batch_of(student)) for one in (student, teacher))
    mask = batch_of(student)[1]
    loss, found = state_loss(HIDDEN, student, teacher)
    mapped = [states @ head.weight.T + head.bias for states, head in zip(own, loss.head, strict=True)]
    torch.testing.assert_close(
        found, (hidden_mse(mapped[0], taught[1], mask) + hidden_mse(mapped[1], taught[3], mask)) / 2
    )
    assert {name for name, _ in loss.named_parameters()} == {
        f"head.{i}.{part}" for i in (0, 1) for part in ("weight", "bias")
    }


def test_relation_loss_follows_the_last_layer_at_every_exit() -> None:
    student, teacher = tiny_encoder(num_hidden_layers=3), tiny_encoder(seed=9, hidden_size=64)
    own, taught = (hidden_states(one, *batch_of(student)) for one in (student, teacher))
    mask = batch_of(student)[1]
    expected = sum(relation_kl(states, taught[-1], mask, 4) for states in own) / 3
    loss, found = state_loss(RELATIONS, student, teacher)
    torch.testing.assert_close(found, expected)
    assert not list(loss.parameters())


@KINDS
def test_only_the_layers_of_a_steps_terms_count_and_each_once(kind: States) -> None:
    student, teacher = tiny_encoder(), tiny_encoder(seed=9)
    four = StepExits(student, TwoDNesting(), (8,), seed=0).plan(0)
    (drawn,) = {layer for layer, _, _ in four.terms} - {4}
    found = state_loss(kind, student, teacher, four)[1]
    each = [state_loss(kind, student, teacher, Step((Term(layer, 32, 1.0),)))[1] for layer in (drawn, 4)]
    torch.testing.assert_close(found, (each[0] + each[1]) / 2)


@pytest.mark.parametrize("backbone", BACKBONES)
@KINDS
def test_a_teacher_costs_its_own_copy_nothing(kind: States, backbone: str) -> None:
    student, teacher = tiny_encoder(backbone), tiny_encoder(backbone)
    last = Step((Term(4, 32, 1.0),))
    assert state_loss(kind, student, teacher, last)[1].item() == pytest.approx(0, abs=1e-6)
    assert state_loss(kind, student, tiny_encoder(backbone, seed=9), last)[1].item() > 0.01


def test_a_shallow_step_runs_no_deeper_layer_of_the_teacher() -> None:
    student, teacher, ran = tiny_encoder(num_hidden_layers=2), tiny_encoder(seed=9), []
    for number, layer in enumerate(teacher.backbone.encoder.layer, start=1):
        layer.register_forward_hook(lambda *_, number=number: ran.append(number))
    first = Step((Term(1, 32, 1.0),))
    state_loss(HIDDEN, student, teacher, first)
    assert ran == [1, 2]
    state_loss(RELATIONS, student, teacher, first)
    assert ran == [1, 2, 1, 2, 3, 4]


@KINDS
def test_the_student_alone_gets_a_gradient(kind: States) -> None:
    student, teacher = tiny_encoder(), tiny_encoder(seed=9)
    loss, found = state_loss(kind, student, teacher.train())
    found.backward()
    assert all(layer.output.dense.weight.grad.abs().sum() > 0 for layer in student.backbone.encoder.layer)
    assert all(weight.grad is None for weight in teacher.parameters())
    assert not any(module.training for module in teacher.modules())
    assert not loss.train().teacher.encoder.training
    assert loss.state_dict() == {}


def embedded(
    kind: States | None,
    train: Topics,
    folder: Path,
    teacher: SentenceEncoder,
    dev: Callable[[], float] | None = None,
    **changes: object,
) -> SentenceEncoder:
    texts = texts_of(train)
    vectors, student = Held(teacher.encode(texts)), tiny_encoder(num_hidden_layers=2)
    counted = iter(np.arange(100.0))  # the last epoch is the best
    judge = dev or (lambda: float(next(counted)))
    how: DistillVectorsSettings = settings(states=kind, **changes)
    live = teacher if kind is not None else None
    training = Training(folder, how, 0)
    return distill_vectors(student, texts, vectors, judge, training, GridNesting(), (8,), live=live)


@KINDS
def test_a_student_comes_nearer_to_states_that_it_follows(kind: States, train: Topics, tmp_path: Path) -> None:
    teacher = tiny_encoder(seed=9)
    before = {name: weight.clone() for name, weight in teacher.state_dict().items()}
    ids, mask = batch_of(teacher)
    taught, left = hidden_states(teacher, ids, mask), {}
    for name, followed in {"with": kind, "without": None}.items():
        own = hidden_states(embedded(followed, train, tmp_path / name, teacher), ids, mask)
        pairs = ((own[0], taught[1]), (own[1], taught[3])) if kind is HIDDEN else ((one, taught[-1]) for one in own)
        left[name] = [
            float(hidden_mse(one, other, mask) if kind is HIDDEN else relation_kl(one, other, mask, 4))
            for one, other in pairs
        ]
    assert all(followed < 0.8 * plain for followed, plain in zip(left["with"], left["without"], strict=True)), left
    assert all(torch.equal(weight, before[name]) for name, weight in teacher.state_dict().items())


def test_a_killed_training_takes_the_same_steps(train: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decant.training.checkpoint_callback.CHECKPOINT_SECONDS", -1.0)  # a checkpoint every step
    teacher = tiny_encoder(seed=9, hidden_size=64)

    def weights(name: str, dev: Callable[[], float]) -> dict[str, Tensor]:
        return embedded(HIDDEN, train, tmp_path / name, teacher, dev, epochs=3).state_dict()

    check_resumed_alike(weights, tmp_path)


def readers(student: SentenceEncoder, teacher: SentenceEncoder) -> tuple[Reader, Reader]:
    return Reader.of(student), Reader.of(teacher)


def test_refuses_what_cannot_read_the_same_tokens() -> None:
    student = tiny_encoder(max_length=64)
    check_states(HIDDEN, *readers(student, tiny_encoder(hidden_size=64)), TEXTS)
    with pytest.raises(InputError, match="gives other ids than the student's, as for 'a big dog'; take a teacher of"):
        check_states(HIDDEN, *readers(student, tiny_encoder("roberta")), TEXTS)
    with pytest.raises(
        InputError, match="student reads 64 tokens and the teacher 32 at most; lower student.max_length"
    ):
        check_states(HIDDEN, *readers(student, tiny_encoder(max_length=32)), TEXTS)
    with pytest.raises(InputError, match="heads 16 does not divide both widths, the student's 32 and the teacher's 40"):
        check_states(RelationStates(kind="relations", heads=16), *readers(student, tiny_encoder(hidden_size=40)), TEXTS)
    check_states(RelationStates(kind="relations", heads=8), *readers(student, tiny_encoder(hidden_size=40)), TEXTS)


def test_longer_texts_are_compared_as_the_student_cuts_them() -> None:
    check_states(HIDDEN, *readers(tiny_encoder(max_length=8), tiny_encoder()), ["a big dog " * 20])


def test_embedding_refuses_too(train: Topics, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gives other ids than the student's"):
        embedded(HIDDEN, train, tmp_path, tiny_encoder("roberta"))
    texts = texts_of(train)
    with pytest.raises(InputError, match="a teacher that runs beside the student, but none is given"):
        distill_vectors(
            tiny_encoder(), texts, Held(np.eye(len(texts), 32, dtype=np.float32)), lambda: 0.0,
            Training(tmp_path, settings(states=HIDDEN), 0), LastNesting(), (),
        )  # fmt: skip


def test_settings_are_picked_by_kind() -> None:
    picked = TypeAdapter(States).validate_python({"kind": "relations"})
    assert (picked.kind, picked.weight, picked.heads) == ("relations", 1.0, 12)
    assert settings().states is None
    assert settings(states={"kind": "hidden", "weight": 3}).states == HiddenStates(kind="hidden", weight=3.0)


def test_block_loss_is_the_mean_over_the_ends_of_groups_that_the_step_reaches() -> None:
    student, teacher = share_attention(tiny_encoder(), [[0, 1], [2, 3]]), tiny_encoder(seed=9)
    own, taught = (hidden_states(one, *batch_of(student)) for one in (student, teacher))
    mask = batch_of(student)[1]
    kind = BlockStates(kind="blocks", weight=2.5)
    _, found = state_loss(kind, student, teacher, Step((Term(4, 32, 1.0),)))
    torch.testing.assert_close(
        found, 2.5 * (hidden_mse(own[1], taught[1], mask) + hidden_mse(own[3], taught[3], mask)) / 2
    )
    _, found = state_loss(kind, student, teacher, Step((Term(3, 32, 1.0),)))
    torch.testing.assert_close(found, 2.5 * hidden_mse(own[1], taught[1], mask))
    _, found = state_loss(kind, student, teacher, Step((Term(1, 32, 1.0),)))
    assert found == 0


def test_block_loss_of_a_deeper_wider_teacher_goes_through_a_map() -> None:
    student = share_attention(tiny_encoder(num_hidden_layers=2), [[0, 1]])
    teacher = tiny_encoder(seed=9, hidden_size=64)
    own, taught = (hidden_states(one, *batch_of(student)) for one in (student, teacher))
    loss, found = state_loss(BlockStates(kind="blocks"), student, teacher)
    mapped = own[1] @ loss.head[1].weight.T + loss.head[1].bias
    torch.testing.assert_close(found, hidden_mse(mapped, taught[3], batch_of(student)[1]))


def test_block_ends_need_groups(train: Topics, tmp_path: Path) -> None:
    texts, teacher = texts_of(train), tiny_encoder(seed=9)
    with pytest.raises(InputError, match="follows the ends of groups that share a map, but the student has none"):
        distill_vectors(
            tiny_encoder(), texts, Held(teacher.encode(texts)), lambda: 0.0,
            Training(tmp_path, settings(states=BlockStates(kind="blocks")), 0), LastNesting(), (), live=teacher,
        )  # fmt: skip


def test_a_shared_student_comes_back_to_its_unshared_teacher(train: Topics, dev: Topics, tmp_path: Path) -> None:
    texts, held = texts_of(train), texts_of(dev)
    without_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    teacher, live = tiny_encoder(**without_dropout), tiny_encoder(**without_dropout)
    student = share_attention(teacher, [[1, 2, 3]])

    def nearness() -> float:
        return float((student.encode(held) * teacher.encode(held)).sum(axis=1).mean())

    before = nearness()
    training = Training(tmp_path, settings(states=BlockStates(kind="blocks"), learning_rate=1e-3), 0)
    distill_vectors(student, texts, Held(teacher.encode(texts)), nearness, training, LastNesting(), (), live=live)
    assert 1 - nearness() < 0.8 * (1 - before)
