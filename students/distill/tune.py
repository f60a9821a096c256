"""Fine-tuning of an embedding teacher on labelled pairs, so that its vectors know the task before they are learned."""

from __future__ import annotations

from pathlib import Path

from decant.models.encoder import SentenceEncoder
from decant.training.lora import add_lora, merge_lora
from decant.training.training import Training
from students.distill.distill_pairs import distill
from students.distill.distill_settings import DistillSettings, TuneSettings
from students.pair_student import Student
from teachers.cross_encoders.fine_tune import PairData


def tune(reference: str | Path, data: PairData, training: Training[TuneSettings]) -> SentenceEncoder:
    """An embedding model whose cosines follow the labels.

    Its weights are plain float32, adapters merged into them.
    """
    settings = training.settings
    shared = DistillSettings(**settings.model_dump(exclude={"lora", "quantize"}))
    encoder = SentenceEncoder.load(
        reference, settings.max_length, dropout=settings.dropout, for_training=True, quantize=settings.quantize
    ).for_cosine()
    if settings.lora is not None:
        add_lora(encoder.backbone, settings.lora, training.seed)
    student = Student(encoder)
    distill(student, data, data.labels[:, None], training.by(shared), alpha=0.0, label="embedding teacher")
    if settings.lora is not None:
        encoder.backbone = merge_lora(encoder.backbone)
    return encoder
