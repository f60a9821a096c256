"""Fine-tuning of a cross-encoder on labelled pairs in Lightning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from decant.training.lora import AdapterSettings, add_lora, merge_lora

if TYPE_CHECKING:  # a recipe's settings are read without torch
    from torch import Tensor

    from decant.training.batch_stream import Batch
    from decant.training.training import Training
    from teachers.cross_encoders.cross_encoder import CrossEncoder, Pair

TaskKind = Literal["regression", "binary", "multiclass"]
Metric = Callable[[NDArray[np.float32]], float]


class FineTuneSettings(AdapterSettings, frozen=True, extra="forbid"):
    """How a teacher is fine-tuned."""

    max_length: int = Field(128, ge=4, le=8192, description="tokens a pair, specials included; the longer text is cut")


@dataclass(frozen=True)
class PairData:
    """Labelled pairs to learn a task from, and others that tell how well it is learned.

    Args:
        pairs: to learn from.
        labels: [pairs]: 0..1, or class numbers; NaN where a pair has none, which only distillation takes.
        kind: of the task.
        dev_pairs: to judge by.
        dev_metric: predictions for the dev pairs → the task's metric, higher is better.
    """

    pairs: Sequence[Pair]
    labels: NDArray[Any]
    kind: TaskKind
    dev_pairs: Sequence[Pair]
    dev_metric: Metric


def task_loss(outputs: Tensor, labels: Tensor, kind: TaskKind) -> Tensor:
    """The task's own loss, a scalar: mean squared error, binary or multi-class cross-entropy on raw logits.

    Args:
        outputs: raw logits, [batch, 1] or [batch, classes].
        labels: float32 [batch] in 0..1 for regression and binary, class numbers for multi-class.
    """
    from torch.nn import functional

    if kind == "multiclass":
        return functional.cross_entropy(outputs, labels.long())
    if kind == "binary":
        return functional.binary_cross_entropy_with_logits(outputs[:, 0], labels.float())
    return functional.mse_loss(outputs[:, 0], labels.float())


def fine_tune(
    teacher: CrossEncoder, data: PairData, training: Training[FineTuneSettings], *, label: str = "teacher"
) -> CrossEncoder:
    """Train `teacher` in place and return it with the weights that were best on dev.

    With `lora`, what is returned has its adapters merged into float32 weights, whatever it was loaded in.

    Args:
        data: its predictions are raw logits.
        label: what the progress bar calls the training.
    """
    import torch

    from decant.training.batch_stream import BatchStream
    from decant.training.fit import fit
    from teachers.cross_encoders.fine_tune_module import FineTuning  # Lightning takes seconds to load

    settings = training.settings
    if settings.lora is not None:
        add_lora(teacher.model, settings.lora, training.seed)
    ids, types = teacher.tokenize(data.pairs)

    def collate(rows: NDArray[np.int64]) -> Batch:
        batch = teacher.collate([ids[row] for row in rows], None if types is None else [types[row] for row in rows])
        return batch | {"labels": torch.as_tensor(data.labels[rows], dtype=torch.float32)}

    stream = BatchStream([len(row) for row in ids], collate, settings.batch_size, training.seed)
    module = FineTuning(teacher, data.kind, settings, len(stream))

    def dev() -> float:
        return data.dev_metric(teacher.score(data.dev_pairs))

    fit(module, stream, dev, training, label=label, given=data.pairs)
    if settings.lora is not None:
        teacher.model = merge_lora(teacher.model)
    return teacher.eval()
