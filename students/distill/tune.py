"""Fine-tuning of an embedding teacher on labelled pairs, so that its vectors know the task before they are learned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from decant.models.encoder import SentenceEncoder
from decant.progress import Watch, unwatched
from decant.training.devices import ONE_PROCESS, TrainerSettings
from decant.training.lora import add_lora, merge_lora
from students.distill.distill_pairs import Array, Metric, distill
from students.distill.distill_settings import DistillSettings, TuneSettings
from students.pair_student import Student
from teachers.cross_encoders.cross_encoder import Pair
from teachers.cross_encoders.fine_tune import TaskKind


def tune(
    reference: str | Path,
    pairs: Sequence[Pair],
    labels: Array,
    kind: TaskKind,
    dev_pairs: Sequence[Pair],
    dev_metric: Metric,
    folder: Path,
    settings: TuneSettings,
    *,
    seed: int,
    devices: TrainerSettings = ONE_PROCESS,
    watch: Watch = unwatched,
) -> SentenceEncoder:
    """An embedding model whose cosines follow the labels; arguments as `distill_pairs.distill` has them.

    Its weights are plain float32, adapters merged into them.
    """
    shared = settings.model_dump(exclude={"lora", "quantize"})
    encoder = SentenceEncoder.load(
        reference, settings.max_length, dropout=settings.dropout, for_training=True, quantize=settings.quantize
    ).for_cosine()
    if settings.lora is not None:
        add_lora(encoder.backbone, settings.lora, seed)
    student = Student(encoder)
    distill(
        student, pairs, labels[:, None], labels, kind, dev_pairs, dev_metric, folder,
        DistillSettings(**shared), alpha=0.0, seed=seed, label="embedding teacher", devices=devices,
        watch=watch,
    )  # fmt: skip
    if settings.lora is not None:
        encoder.backbone = merge_lora(encoder.backbone)
    return encoder
