from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from decant.errors import InputError
from decant.training.training import Training
from students.cuts.start import grouped
from students.distill.distill_reranker import labels_on_scale, learn_scores, score_loss
from students.distill.distill_settings import PseudoSettings
from students.losses.loss_weights import PseudoWeights
from students.sharing.share_maps import share_cross_encoder
from students.sharing.sharing_settings import SharingSettings
from teachers.cross_encoders.cross_encoder import CrossEncoder, Pair
from tests.tiny_models import WORDS, tiny_backbone_folder

SETTINGS = PseudoSettings(epochs=20, batch_size=8, learning_rate=3e-3, precision="32-true")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> CrossEncoder:
    """Four layers whose weights are large enough for layers to attend each in its own way."""
    root = tmp_path_factory.mktemp("backbone")
    folder = tiny_backbone_folder(root, "bert", num_hidden_layers=4, initializer_range=0.4)
    return CrossEncoder.from_backbone(folder, 1, 32, dropout=0.0).eval()


def word_pairs(count: int, seed: int) -> list[Pair]:
    generator = np.random.default_rng(seed)
    return [(" ".join(generator.choice(WORDS, 5)), " ".join(generator.choice(WORDS, 4))) for _ in range(count)]


def test_one_score_is_regressed_and_padding_does_not_count() -> None:
    states, mask = torch.tensor([[[1.0, 3.0], [99.0, 99.0]]]), torch.tensor([[1, 0]])
    logits = torch.tensor([[2.0]]), torch.tensor([[0.5]])
    weights = PseudoWeights(states=0.1, soft=2.0)
    loss = score_loss(*logits, [states, states], [torch.zeros(1, 2, 2), states], mask, weights)
    assert float(loss) == pytest.approx(2.0 * 1.5**2 + 0.1 * (5.0 + 0.0) / 2)


def test_classes_are_learned_softly_and_hard() -> None:
    student, teacher = torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([[2.0, 0.0, 0.0]])
    states = [torch.zeros(1, 1, 2)]
    loss = score_loss(student, teacher, states, states, torch.ones(1, 1), PseudoWeights(1, 1, 0.5, 2.0))
    soft = torch.softmax(teacher[0] / 2, 0)
    kl = float((soft * (soft.log() - np.log(1 / 3))).sum())
    assert float(loss) == pytest.approx(4 * kl + 0.5 * np.log(3), rel=1e-5)


def test_stage_1_brings_the_teachers_scores_back(teacher: CrossEncoder, tmp_path: Path) -> None:
    student = share_cross_encoder(teacher, [[1, 2]])
    pairs = word_pairs(64, 0)
    wanted, weights = teacher.score(pairs), teacher.model.state_dict()
    before = np.abs(student.score(pairs) - wanted).mean()
    kept = {name: weight.clone() for name, weight in weights.items()}

    def dev() -> float:
        return -float(np.abs(student.score(pairs) - wanted).mean())

    learn_scores(student, teacher, pairs, dev, Training(tmp_path, SETTINGS, 0))
    assert before > 0.1, "sharing alone must cost something"
    assert -dev() < 0.5 * before
    assert all(torch.equal(weight, kept[name]) for name, weight in weights.items()), "the teacher stays as it is"


def test_a_student_without_shared_maps_is_refused(teacher: CrossEncoder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="shares no attention map"):
        learn_scores(teacher, teacher, word_pairs(4, 0), lambda: 0.0, Training(tmp_path, SETTINGS, 0))


def test_groups_are_chosen_on_a_cross_encoders_own_maps(teacher: CrossEncoder) -> None:
    texts = [text for pair in word_pairs(60, 0) for text in pair]
    every = SharingSettings(threshold=-1, free_first=1, free_last=0)
    assert grouped(teacher.model, teacher.tokenizer, 32, every, texts, 0)[0] == ((1, 2, 3),)
    with pytest.raises(InputError, match="no two neighbouring layers are alike enough"):
        grouped(teacher.model, teacher.tokenizer, 32, SharingSettings(threshold=1.0), texts, 0)


def test_labels_keep_the_scale_of_the_teachers_scores() -> None:
    labels, logits = np.float32([0, 0.5, 1]), np.float32([[-3], [1], [8]])
    scaled, kind = labels_on_scale(labels, logits, "regression")
    assert (scaled.mean(), scaled.std(), kind) == (pytest.approx(2), pytest.approx(logits.std()), "regression")
    assert scaled[1] == pytest.approx(2)
    np.testing.assert_array_equal(labels_on_scale(np.ones(3, np.float32), logits, "regression")[0], np.ones(3))
    binary = np.float32([0, 1, 1])
    assert labels_on_scale(binary, logits, "binary") == (pytest.approx(binary), "binary")
    assert labels_on_scale(binary, np.hstack([logits, logits]), "binary")[1] == "multiclass"
