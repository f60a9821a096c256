"""The named sets of a suite, as recipes and suite files write them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from pipeline.measure.probe import ProbeSettings
from pipeline.measure.set_metrics import MainMetric, MetricName, RankingMetric
from pipeline.texts.source import Source

SetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
PAIR_METRICS: dict[str, tuple[MetricName, ...]] = {
    "regression": ("spearman", "pearson"), "binary": ("average_precision",)
}  # fmt: skip


class PairSet(BaseModel, frozen=True, extra="forbid"):
    """Labelled pairs, judged by how alike a model finds their texts, without a training or a threshold."""

    kind: Literal["pairs"]
    source: Source = Field(description="the pairs")
    task: Literal["regression", "binary"] = Field(
        "regression", description="regression: labels are numbers; binary: two classes"
    )
    metric: Literal["spearman", "pearson", "average_precision"] | None = Field(
        None, description="main figure; default: spearman for regression, average_precision for binary"
    )
    first: str = Field("sentence1", description="column of the first text")
    second: str = Field("sentence2", description="column of the second text")
    label: str = Field("label", description="column of the label")
    classes: tuple[str, ...] = Field((), description="binary: names of the classes, the second positive; default 0, 1")
    first_prompt: str | None = Field(
        None, description="prompt of the first texts, for models that have prompts; default: the model's default one"
    )
    second_prompt: str | None = Field(None, description="prompt of the second texts")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        metrics = PAIR_METRICS[self.task]
        if self.metric not in (None, *metrics):
            raise ValueError(f"metric: {self.metric} does not go with {self.task}; {' or '.join(metrics)}")
        if self.classes and (self.task == "regression" or len(set(self.classes)) != 2):
            raise ValueError("classes: task: binary takes two of them, the second positive; others take none")
        return self


class RankingSet(BaseModel, frozen=True, extra="forbid"):
    """Queries and documents in BEIR's layout, judged by exact search over all documents."""

    kind: Literal["ranking"]
    path: str | None = Field(None, description="folder of corpus.jsonl, queries.jsonl and qrels/, beside the recipe")
    data: str | None = Field(None, description="such a folder under the one in DECANT_DATA")
    split: str = Field("test", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="qrels/SPLIT.tsv to judge by")
    metric: RankingMetric = Field("ndcg_at_10", description="main figure; the others are measured too")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.data is None):
            raise ValueError("give either path (a folder beside the recipe) or data (one under DECANT_DATA)")
        return self


class ClassSet(BaseModel, frozen=True, extra="forbid"):
    """Texts, or pairs of them, with classes: what logistic regression reads from the vectors as they are."""

    kind: Literal["classes"]
    source: Source = Field(description="the examples to judge on; without train they are cross-validated")
    train: Source | None = Field(None, description="examples that the regression is fitted on")
    columns: tuple[str, ...] = Field(
        ("text",), min_length=1, max_length=2, description="column of the text, or both of a pair: [|u − v|; u ⊙ v]"
    )
    label: str = Field("label", description="column of the class")
    train_rows: int | None = Field(None, ge=2, description="rows of train, drawn by the probe's seed; default: all")
    metric: Literal["accuracy", "macro_f1"] = Field("accuracy", description="main figure; the other is measured too")
    probe: ProbeSettings = Field(ProbeSettings(), description="the regression, and the folds where there is no train")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.train is None and self.train_rows is not None:
            raise ValueError("train_rows: there is no train to draw them from; leave it out")
        return self


NamedSet = Annotated[PairSet | RankingSet | ClassSet, Field(discriminator="kind")]


def main_metric(one: NamedSet) -> MainMetric:
    """What a set's figure is unless it says another."""
    if isinstance(one, PairSet):
        return one.metric or PAIR_METRICS[one.task][0]
    return one.metric


class Suite(BaseModel, frozen=True, extra="forbid"):
    """A suite file's content."""

    sets: dict[SetName, NamedSet] = Field(min_length=1, description="name: the set")
