"""What a recipe says of its texts."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, model_validator

from pipeline.texts.source import Source
from teachers.cross_encoders.fine_tune import TaskKind

ProblemKind = Literal["encoding", "empty", "label", "label_range", "duplicate", "leak"]
Action = Literal["refuse", "drop"]
DEFAULT_ACTIONS: dict[ProblemKind, Action] = {
    "encoding": "refuse",
    "empty": "refuse",
    "label": "refuse",
    "label_range": "refuse",
    "duplicate": "drop",
    "leak": "drop",
}


class Columns(BaseModel, frozen=True, extra="forbid"):
    """Names of the columns, the same in every labelled source."""

    first: str = Field("sentence1", description="column of the first text")
    second: str = Field("sentence2", description="column of the second text")
    label: str = Field("label", description="column of the label")
    first_prompt: str | None = Field(
        None,
        description="name of the prompt that the first text stands behind, such as query; default: the model's own",
    )
    second_prompt: str | None = Field(
        None, description="name of the prompt of the second text, such as document; default: the model's own"
    )


class Task(BaseModel, frozen=True, extra="forbid"):
    """What a label means."""

    kind: TaskKind = Field(description="regression: numbers; binary: two classes; multiclass: several")
    low: float | None = Field(None, description="regression: label of the least alike pair; default: least in train")
    high: float | None = Field(None, description="regression: label of the most alike pair; default: greatest in train")
    classes: tuple[str, ...] = Field(
        (), description="class names as the files write them; binary: the second is positive; default 0 and 1"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Task:
        if self.kind == "regression" and self.classes:
            raise ValueError("classes do not go with kind: regression; give low and high")
        if self.kind != "regression" and (self.low is not None or self.high is not None):
            raise ValueError(f"low and high do not go with kind: {self.kind}; give classes")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")
        if self.kind == "binary" and len(self.classes) not in (0, 2):
            raise ValueError(f"kind: binary takes two classes, the second positive, not {len(self.classes)}")
        if self.kind == "multiclass" and len(self.classes) < 3:
            raise ValueError("kind: multiclass needs classes, at least three of them")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes must differ from each other")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in order; none for regression."""
        return self.classes or (("0", "1") if self.kind == "binary" else ())

    @property
    def outputs(self) -> int:
        """Logits a pair: one, or one a class."""
        return len(self.classes) if self.kind == "multiclass" else 1


class TextsSettings(BaseModel, frozen=True, extra="forbid"):
    """The pairs of a run."""

    task: Task = Field(Task(kind="regression"), description="what a label means; needed where there are labels")
    columns: Columns = Field(Columns(), description="names of the columns, the same in every labelled source")
    train: Source | None = Field(
        None, description="labelled pairs; default: none, for a student of an embedding teacher"
    )
    dev: Source | None = Field(None, description="default: dev_share of train, drawn by content")
    test: Source | None = Field(
        None,
        description="labelled pairs that everything is measured on; default: test_share of train, drawn by content; "
        "without any labels: agreement with the embedding teachers on texts that are held back",
    )
    test_share: float = Field(
        0.2, gt=0, le=0.5, description="share of train held back for test where test is not given"
    )
    dev_share: float = Field(0.1, gt=0, lt=0.5, description="share of train held back for dev where dev is not given")
    unlabelled: tuple[Source, ...] = Field((), description="more pairs for the teacher to label; same text columns")
    problems: dict[ProblemKind, Action] = Field(
        default_factory=dict,
        description="refuse or drop rows with: encoding, empty, label, label_range, duplicate, leak "
        "(a train pair that stands in dev or test); default: refuse all but duplicate and leak",
    )
    limit: int | None = Field(None, ge=8, description="take only the first rows of train, for a quick try")

    @model_validator(mode="after")
    def _labels_mean_something(self) -> TextsSettings:
        labelled = [key for key in ("train", "dev", "test") if getattr(self, key) is not None]
        if labelled and "task" not in self.model_fields_set:
            raise ValueError(f"task is missing: {labelled[0]} has labels, and it says what they mean")
        return self

    def action(self, kind: ProblemKind) -> Action:
        """What happens to a row with this problem."""
        return self.problems.get(kind, DEFAULT_ACTIONS[kind])
