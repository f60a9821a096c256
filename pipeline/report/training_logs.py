"""What the trainings of a run logged, as Lightning's CSV logger left it in the stages' folders."""

import csv
from collections.abc import Mapping, Sequence
from math import inf, isfinite
from pathlib import Path

from pydantic import BaseModel, Field, JsonValue

from decant.training.on_nan import retries_note
from pipeline.measure.set_metrics import IfMeasured

TRAINING = "training"
LOG = f"{TRAINING}/csv/metrics.csv"


class TrainingRecord(BaseModel, frozen=True, extra="forbid"):
    """What training logged at one step."""

    step: int = Field(ge=0, description="optimizer steps so far")
    loss: IfMeasured[float] = None
    dev: IfMeasured[float] = Field(default=None, description="main metric on the development split, a fraction")


def best_dev(records: Sequence[TrainingRecord]) -> TrainingRecord | None:
    """The first record with the highest development figure; None where none was logged."""
    return max((one for one in records if one.dev is not None and isfinite(one.dev)), key=_dev, default=None)


def dev_name(stage: str, recipe: Mapping[str, JsonValue], metric: str) -> str:
    """What the development figure of a stage's training is.

    Args:
        stage: as `trained_stages` names it.
        recipe: the resolved one.
        metric: name of the main metric, for people.
    """
    if stage == "embed":
        return "agreement with the teachers ×100"
    student = recipe.get("student")
    nested = stage == "student" and isinstance(student, dict) and student.get("nesting") is not None
    return f"{metric} ×100, mean of every cut" if nested else f"{metric} ×100"


def training_logs(run_folder: Path, recipe: Mapping[str, JsonValue]) -> dict[str, list[TrainingRecord]]:
    """Records by stage, in the order of the road; a stage that trained nothing is left out.

    Args:
        run_folder: the run's.
        recipe: its resolved recipe: only stages that it has are read, since a folder of an earlier recipe may remain.
    """
    found = {stage: read_training(run_folder / stage / LOG) for stage in trained_stages(recipe)}
    return {stage: records for stage, records in found.items() if records}


def retries_notes(run_folder: Path, recipe: Mapping[str, JsonValue]) -> list[str]:
    """A sentence on each stage whose loss was not a number and whose training went on."""
    notes = [retries_note(run_folder / stage / TRAINING, stage) for stage in trained_stages(recipe)]
    return [one for note in notes for one in note]


def trained_stages(recipe: Mapping[str, JsonValue]) -> list[str]:
    """Folders of the stages that a recipe can train, in the order of the road."""
    embedding = recipe.get("embedding")
    teachers = embedding.get("teachers") if isinstance(embedding, dict) else None
    count = len(teachers) if isinstance(teachers, list) else 0
    return [
        *(["teacher"] if recipe.get("teacher") else []),
        *[f"embedding/teacher{index}" for index in range(count)],
        *(["embed"] if embedding else []),
        "student",
        *(["reranker"] if recipe.get("reranker") else []),
    ]


def read_training(path: Path) -> list[TrainingRecord]:
    """Loss and development metric by step; nothing where there is no log, and no row that cannot be read.

    A run keeps no checksum of its logs: one that is damaged costs points of a curve, not another training.
    """
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        records = [_record(row) for row in csv.DictReader(line.replace("\0", "") for line in file)]
    return [record for record in records if record is not None]


def _dev(record: TrainingRecord) -> float:
    return record.dev if record.dev is not None else -inf


def _record(row: Mapping[str, str]) -> TrainingRecord | None:
    try:
        return TrainingRecord(
            step=int(row["step"]),
            loss=float(row["loss"]) if row.get("loss") else None,
            dev=float(row["dev"]) if row.get("dev") else None,
        )
    except (KeyError, TypeError, ValueError):
        return None
