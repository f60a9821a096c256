"""Settings of the stages that have no package function of their own to stand beside."""

from __future__ import annotations

from typing import Annotated

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
from pipeline.measure.evaluate import MetricName
from pipeline.measure.speed import SpeedSettings
from students.distill.distill_settings import QuantizeAwareSettings


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
    cuts: tuple[tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]], ...] = Field(
        (), description="[layers, dim] to export; default: the whole student, and each depth of a nested one"
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
    metric: MetricName | None = Field(None, description="main metric; default: the task's first")
    resamples: int = Field(1000, ge=100, le=100_000, description="bootstrap resamples of the 95 % intervals")
    speed: SpeedSettings = Field(SpeedSettings(), description="what is timed, and how often")
    compare: tuple[str, ...] = Field(
        (), description="model references to measure beside: accuracy, and speed as sentence-transformers runs them"
    )
    peers: bool = Field(True, description="measure the start model in sentence-transformers, where it is installed")
