"""What a recipe says of its texts."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, Field, model_validator

from pipeline.measure.set_metrics import MAIN_METRICS, RANKING_METRICS, MainMetric, TaskName
from pipeline.texts.source import Source
from teachers.cross_encoders.fine_tune import TaskKind

ProblemKind = Literal["encoding", "empty", "label", "label_range", "duplicate", "leak"]
Action = Literal["refuse", "drop"]
SPLIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
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

    kind: TaskName = Field(
        description="regression: numbers; binary: two classes; multiclass: several; ranking: train, dev and test are "
        "splits of folders in BEIR's layout, whose judgements say which documents answer a query"
    )
    low: float | None = Field(None, description="regression: label of the least alike pair; default: least in train")
    high: float | None = Field(None, description="regression: label of the most alike pair; default: greatest in train")
    classes: tuple[str, ...] = Field(
        (), description="class names as the files write them; binary: the second is positive; default 0 and 1"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Task:
        if self.kind == "ranking" and (self.classes or self.low is not None or self.high is not None):
            raise ValueError("low, high and classes do not go with kind: ranking, whose grades stand in qrels/")
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
    def of_pairs(self) -> TaskKind:
        """The kind of a task of labelled pairs; only called for those."""
        if self.kind == "ranking":
            raise ValueError("a ranking has no labels of pairs")
        return self.kind

    @property
    def metrics(self) -> tuple[MainMetric, ...]:
        """What it is judged by; the first is the main one unless a recipe names another."""
        return RANKING_METRICS if self.kind == "ranking" else MAIN_METRICS[self.kind]

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

    @model_validator(mode="after")
    def _rankings(self) -> TextsSettings:
        if self.task.kind != "ranking":
            return self
        if self.train is None:
            raise ValueError(
                "task: kind ranking learns from the queries of a folder in BEIR's layout; give texts.train"
            )
        named = {"train": self.train, "dev": self.dev, "test": self.test}
        named |= {f"unlabelled.{number}": one for number, one in enumerate(self.unlabelled)}
        for key, source in named.items():
            if source is not None:
                _check_folder(key, source)
        if self.columns != Columns(**self.columns.model_dump(include={"first_prompt", "second_prompt"})):
            raise ValueError(
                "columns: rankings have none; of them only first_prompt (queries) and second_prompt are read"
            )
        unknown = [kind for kind in ("label", "label_range", "encoding") if kind in self.problems]
        if unknown:
            raise ValueError(f"problems: rankings know empty, duplicate and leak, but not {unknown[0]}; leave it out")
        return self

    def action(self, kind: ProblemKind) -> Action:
        """What happens to a row with this problem."""
        return self.problems.get(kind, DEFAULT_ACTIONS[kind])


def _check_folder(key: str, source: Source) -> None:
    """Refuse what a folder in BEIR's layout does not have."""
    if (source.path is None) == (source.data is None) or source.hub is not None:
        raise ValueError(
            f"{key}: task kind ranking reads a folder in BEIR's layout; give either path (beside the recipe) or data "
            "(under DECANT_DATA), and split"
        )
    if source.config is not None or source.rename or source.quoting is not None:
        raise ValueError(f"{key}: config, rename and quoting do not go with task kind ranking; leave them out")
    if not SPLIT.fullmatch(source.split):
        raise ValueError(
            f"{key}.split: {source.split!r} names no file qrels/SPLIT.tsv; give letters, digits, . _ and -"
        )
