"""A re-ranker: a cross-encoder whose layers share attention maps, taught by the one that it was made from (EchoAtt).

Stage 1 learns the teacher's scores and its states at the ends of the groups, stage 2 the true labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from decant.errors import InputError
from decant.models.shared_config import shared_attention
from decant.training.batch_stream import Batch, BatchStream
from decant.training.training import Training
from students.distill.distill_settings import PseudoSettings
from students.losses.causal_losses import hard_label_loss, soft_label_loss
from students.losses.loss_weights import PseudoWeights
from students.losses.relation_losses import hidden_mse
from teachers.cross_encoders.cross_encoder import CrossEncoder, Pair
from teachers.cross_encoders.fine_tune import TaskKind

Array = NDArray[np.float32]


def learn_scores(
    student: CrossEncoder,
    teacher: CrossEncoder,
    pairs: Sequence[Pair],
    dev: Callable[[], float],
    training: Training[PseudoSettings],
) -> CrossEncoder:
    """Stage 1: train `student` in place and return it with the weights that were best on dev.

    Args:
        student: shares maps, and is else of the teacher's shape.
        teacher: runs beside it; its weights stay as they are.
        dev: how well the student does, higher is better; asked at the end of each epoch.

    Raises:
        InputError: the student shares no map, or there are too few pairs.
    """
    from decant.training.fit import fit
    from students.distill.reranker_module import ScoreLearning  # Lightning takes seconds to load

    ends = [group[-1] for group in shared_attention(student.model.config).groups]
    if not ends:
        raise InputError("the re-ranker shares no attention map; stage 1 has nothing to learn back")
    settings = training.settings
    ids, types = student.tokenize(pairs)

    def collate(rows: NDArray[np.int64]) -> Batch:
        return student.collate([ids[row] for row in rows], None if types is None else [types[row] for row in rows])

    stream = BatchStream([len(row) for row in ids], collate, settings.batch_size, training.seed)
    module = ScoreLearning(student, teacher, ends, settings, len(stream))
    fit(module, stream, dev, training, label="re-ranker on scores", given=pairs)
    return student.eval()


def score_loss(
    student: Tensor, teacher: Tensor, student_states: Sequence[Tensor], teacher_states: Sequence[Tensor], mask: Tensor,
    weights: PseudoWeights,
) -> Tensor:  # fmt: skip
    """What a cross-encoder is off the scores and states of another, a scalar.

    One score: the squared difference of raw logits, as DSE has it. Classes: T²·KL of the softmaxes, and cross-entropy
    to the teacher's class. The states' squared error is taken over real tokens.

    Args:
        student, teacher: raw logits, float [batch, outputs].
        student_states, teacher_states: after the last layer of each group, float [batch, length, hidden] each.
        mask: int64 [batch, length], 1 for a token.
    """
    if student.shape[1] == 1:
        scores = weights.soft * functional.mse_loss(student, teacher)
    else:
        found, wanted = student[:, None], teacher[:, None]  # the losses are of tokens: one a pair
        scores = weights.soft * soft_label_loss(found, wanted, weights.temperature)
        scores = scores + weights.hard * hard_label_loss(found, wanted)
    errors = [hidden_mse(*both, mask) for both in zip(student_states, teacher_states, strict=True)]
    return scores + weights.states * torch.stack(errors).mean()


def labels_on_scale(labels: Array, logits: Array, kind: TaskKind) -> tuple[Array, TaskKind]:
    """Labels as stage 2 regresses them, so that the scores keep the teacher's scale, and the kind of its loss.

    Args:
        labels: float32 [pairs]: 0..1, or class numbers.
        logits: the teacher's, float32 [pairs, outputs], of the same pairs.
        kind: of the task. A binary teacher that gives two logits is trained as one of two classes; labels of a
            regression take the mean and the spread of the teacher's scores.
    """
    if kind == "binary" and logits.shape[1] == 2:
        return labels, "multiclass"
    spread = float(labels.std())
    if kind != "regression" or not spread:
        return labels, kind
    scaled = (labels - labels.mean()) / spread * logits[:, 0].std() + logits[:, 0].mean()
    return scaled.astype(np.float32), kind
