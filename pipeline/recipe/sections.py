"""The sections of a recipe: what each names beside the settings of the function that it steers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from decant.models.quantized import Quantize
from export.engines.engine import EngineKind, EngineShapes
from export.engines.openvino_ir import IrPrecision, IrQuantizeSettings
from export.graphs.parity import ParitySettings, Precision
from export.graphs.vector_kinds import SmallVector
from export.quantize.quantize_settings import (
    BlockQuantizeSettings,
    CalibrationSettings,
    RowQuantizeSettings,
    StaticQuantizeSettings,
)
from export.serve.encode_precision import EncodePrecision
from pipeline.measure.set_metrics import MainMetric
from pipeline.measure.speed import SpeedSettings
from pipeline.suite.settings import NamedSet, SetName
from pipeline.texts.augment import AugmentSettings
from pipeline.texts.mining import MineSettings
from pipeline.texts.sentences import SentenceSource
from students.distill.distill_settings import (
    DistillSettings,
    DistillVectorsSettings,
    QuantizeAwareSettings,
    TuneSettings,
)
from students.nesting.nesting import LastNesting, Nesting
from students.static.static_settings import StaticSettings
from teachers.cross_encoders.fine_tune import FineTuneSettings


class LoadTeacher(BaseModel, frozen=True, extra="forbid"):
    """A cross-encoder that is trained already."""

    kind: Literal["load"]
    model: str = Field(description="model reference: hub id, folder, or package:NAME/FOLDER")
    max_length: int | None = Field(None, ge=4, description="tokens a pair; default: what its folder says")
    classes: tuple[str, ...] | None = Field(
        None, description="the task's classes in the order of the model's outputs; default: as its folder names them"
    )
    quantize: Quantize | None = Field(
        None, description="load its weights in 4 bits (nf4) or 8 (int8) by bitsandbytes, and label with those"
    )


class FineTuneTeacher(FineTuneSettings, frozen=True, extra="forbid"):
    """A cross-encoder to fine-tune from an encoder's weights on the recipe's labels."""

    kind: Literal["fine_tune"]
    model: str = Field(description="model reference of the encoder to start from")


class StudentSettings(DistillSettings, frozen=True, extra="forbid"):
    """A student with layers: what it starts from and how it is trained."""

    kind: Literal["transformer"] = Field(
        "transformer",
        exclude_if=lambda value: True,  # so that no finished run depends on there being other kinds
        description="layers of a transformer, or a table of token vectors alone (static)",
    )
    model: str = Field(description="model reference of the encoder to start from")
    trained: bool = Field(
        False, description="the model is trained already: export, measure and pick it, or its cuts, as it is"
    )
    prompts: Literal["own", "teacher", "none"] | dict[str, str] = Field(
        "own",
        description="what stands before its texts, by name, in training and in its artifacts: own, as its model's "
        "folder says; teacher, as its first embedding teacher's; none; or name: text",
    )

    @property
    def the_nesting(self) -> Nesting:
        """How its exits are trained: only the whole where the recipe says nothing."""
        return self.nesting or LastNesting()


class StaticStudent(StaticSettings, frozen=True, extra="forbid"):
    """A student without layers: a table of token vectors, whose sum at unit length is a text's vector."""

    model: str = Field(description="model reference whose tokens it has; default: its first embedding teacher")
    prompts: Literal["own", "teacher", "none"] | dict[str, str] = Field(
        "own", description="what stands before its texts, as of a student with layers"
    )

    @property
    def the_nesting(self) -> Nesting:
        """How its lengths are trained: only the whole where the recipe names no others."""
        return self.nesting or LastNesting()


AnyStudent = Annotated[StudentSettings | StaticStudent, Field(discriminator="kind")]


class EmbeddingTeacher(BaseModel, frozen=True, extra="forbid"):
    """A bi-encoder whose vectors the student learns."""

    model: str = Field(description="model reference")
    weight: float = Field(1.0, gt=0, le=1000, description="weight of its cosines beside those of the other teachers")
    tune: TuneSettings | None = Field(None, description="fine-tune it on the labelled pairs first; default: as it is")
    quantize: Quantize | None = Field(
        None, description="of the weights that label, tuned before or not: nf4 (4 bits) or int8, by bitsandbytes"
    )


class EmbeddingSettings(DistillVectorsSettings, frozen=True, extra="forbid"):
    """Embedding teachers, the texts that they embed, and how the student learns their vectors."""

    teachers: tuple[EmbeddingTeacher, ...] = Field(min_length=1, description="one or several, mixed by weight")
    sentences: tuple[SentenceSource, ...] = Field((), description="texts without labels, beside those of the pairs")
    augment: AugmentSettings | None = Field(None, description="more texts, made of the given ones; default: none")
    mine: MineSettings | None = Field(
        None, description="pairs mined from the given texts, for the teachers to score; default: none"
    )
    encode_precision: EncodePrecision = Field(
        "auto", description="of the teachers' vectors; auto: bf16 where the processor multiplies it natively, else fp32"
    )
    held_back: int = Field(500, ge=10, le=5000, description="texts to judge an epoch by; a tenth of them all at most")


class ExportSettings(BaseModel, frozen=True, extra="forbid"):
    """Which artifacts are made, and the gates that they must pass."""

    precisions: tuple[Precision, ...] = Field(
        ("fp32", "int8-dynamic"),
        min_length=1,
        description="one artifact a precision; int8-row and int8-static give a text the same vector in every batch, "
        "int8-dynamic does not, and int8-weights and int4 where the processor's kernels do",
    )
    int8_row: RowQuantizeSettings = Field(RowQuantizeSettings(), description="how int8-row is made")
    int8_static: StaticQuantizeSettings = Field(StaticQuantizeSettings(), description="how int8-static is made")
    int8_weights: BlockQuantizeSettings = Field(BlockQuantizeSettings(), description="how int8-weights is made")
    int4: BlockQuantizeSettings = Field(BlockQuantizeSettings(), description="how int4 is made")
    calibration: CalibrationSettings = Field(
        CalibrationSettings(), description="the texts that quantization is fitted to"
    )
    quantize_aware: QuantizeAwareSettings | None = Field(
        None, description="fine-tune each cut's weights for the rounding of these precisions; default: none is"
    )
    vectors: tuple[SmallVector, ...] = Field(
        (), description="further outputs of each graph: int8, one byte a dimension; binary, one bit"
    )
    cuts: tuple[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]], ...] = Field(
        (),
        description="[layers, dim] to export, 0 layers of a static student; default: the whole student, and each depth "
        "of a nested one",
    )
    torch: tuple[Quantize, ...] = Field(
        (), description="checkpoints of the whole student for torch, its linear layers in nf4 (4 bits) or int8"
    )
    parity: ParitySettings = Field(ParitySettings(), description="the gates of every graph against PyTorch")
    openvino: tuple[IrPrecision, ...] = Field(
        (), description="each cut as OpenVINO's IR too, in the fp32 artifact's folder; int8 by NNCF with fixed scales"
    )
    openvino_int8: IrQuantizeSettings = Field(IrQuantizeSettings(), description="the gate of OpenVINO's int8")
    engines: tuple[EngineKind, ...] = Field(
        (),
        description="TensorRT engines of every cut: tensorrt-rtx and tensorrt-rtx-fp16 are built without a GPU",
    )
    engine_shapes: EngineShapes = Field(EngineShapes(), description="the shapes that TensorRT engines take")

    @model_validator(mode="after")
    def _tuned_are_exported(self) -> ExportSettings:
        if self.quantize_aware is not None and not {*self.quantize_aware.precisions} & {*self.precisions}:
            named = ", ".join(self.quantize_aware.precisions)
            raise ValueError(f"quantize_aware: none of {named} is among export.precisions; name one that is exported")
        return self


class MeasureSettings(BaseModel, frozen=True, extra="forbid"):
    """What is measured, and how often."""

    name: str = Field("test", pattern=r"^[a-z0-9][a-z0-9/_-]*$", description="the test set's name in the report")
    metric: MainMetric | None = Field(None, description="main metric; default: the task's first")
    resamples: int = Field(1000, ge=100, le=100_000, description="bootstrap resamples of the 95 % intervals")
    speed: SpeedSettings = Field(SpeedSettings(), description="what is timed, and how often")
    compare: tuple[str, ...] = Field(
        (), description="model references to measure beside: accuracy, and speed as sentence-transformers runs them"
    )
    sets: dict[SetName, NamedSet] = Field(
        {},
        description="a suite to measure models of vectors on beside the test set, name: {kind: …}; or a file, beside "
        "the recipe, that holds such a mapping",
    )
    peers: bool = Field(True, description="measure the start model in sentence-transformers, where it is installed")
