"""What a candidate must hold to before it is deployed: a recipe's `promotion` block, or options of `decant promote`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from decant.errors import InputError
from decant.files import expand_user
from pipeline.measure.set_metrics import MAIN_METRICS, MetricName
from pipeline.measure.speed import SpeedSettings
from pipeline.recipe.overrides import override
from pipeline.recipe.yaml_places import Keys, Place, misread_numbers, misread_text, overridden, places_of, written
from pipeline.recipe.yaml_text import YamlError, read_yaml
from pipeline.texts.quoting import Quoting

PromotionTask = Literal["regression", "binary", "multiclass", "retrieval"]
PromotionMetric = MetricName | Literal["ndcg"]
# the first of each is what accuracy is, unless the settings name another
OF_A_SET = ("task", "classes", "dev", "columns", "quoting", "metric")
METRICS: dict[str, tuple[str, ...]] = dict(MAIN_METRICS) | {"retrieval": ("ndcg",)}


class PairColumns(BaseModel, frozen=True, extra="forbid"):
    """Columns of the evaluation pairs."""

    first: str = Field("sentence1", description="column of the first text")
    second: str = Field("sentence2", description="column of the second text")
    label: str = Field("label", description="column of the label: a number, or a class")
    first_prompt: str | None = Field(
        None, description="name of the artifact's prompt that the first text stands behind; default: its default one"
    )
    second_prompt: str | None = Field(None, description="name of the prompt of the second text")


class OneByOne(SpeedSettings, frozen=True, extra="forbid"):
    """What is timed: one text at a time, and all of them for the throughput."""

    batch_sizes: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (1,), min_length=1, description="texts in one call for the latency figures; 1 must be among them"
    )


class PromotionSettings(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Gates of a promotion, the pairs that they are measured on, and who is told."""

    task: PromotionTask | None = Field(
        None,
        description="what the labels mean; retrieval: queries and documents; default: the recipe's, else regression",
    )
    classes: tuple[str, ...] = Field(
        (), description="class names as in texts.task.classes, which is the default; binary: the second is positive"
    )
    pairs: str | None = Field(
        None, description="file of labelled pairs to measure on, beside the recipe; retrieval: a folder as BEIR has it"
    )
    set: str | None = Field(
        None,
        description="name of a set to measure on, in the suite file that pairs names; default file: that of "
        "measure.sets; the set then says task, columns and metric",
    )
    dev: str | None = Field(
        None, description="binary: pairs that thresholds are chosen on; default: those that decant.json states"
    )
    columns: PairColumns = Field(PairColumns(), description="names of the columns of pairs and dev")
    quoting: Quoting | None = Field(
        None,
        description="quotes in pairs and dev, .tsv or .csv files; csv: they enclose cells, none: they are characters; "
        "default: found out",
    )
    metric: PromotionMetric | None = Field(None, description="what accuracy is; default: the task's first")
    margin: float = Field(
        1.0, ge=0, le=100, description="most points ×100 that the interval of the difference may reach below 0"
    )
    level: float = Field(0.95, gt=0, lt=1, description="share inside that interval, by paired bootstrap")
    resamples: int = Field(1000, ge=100, le=100_000, description="bootstrap resamples")
    min_accuracy: float | None = Field(None, gt=1, le=100, description="least accuracy ×100: 84, not 0.84")
    min_cosine: float | None = Field(
        None, ge=-1, le=1, description="least cosine to torch; default: what the artifact was exported under"
    )
    min_invariance: float | None = Field(
        0.9999, ge=-1, le=1, description="least cosine of a text alone to itself in a batch; null: no gate"
    )
    certificate: tuple[str, ...] = Field((), description="runtimes that `decant certify` must have found to agree")
    max_latency_ms: float | None = Field(None, gt=0, description="most milliseconds for one text, median")
    max_latency_ratio: float | None = Field(None, gt=0, description="most times the deployed one's latency")
    max_size_mib: float | None = Field(None, gt=0, description="most MiB of the graphs")
    max_size_ratio: float | None = Field(None, gt=0, description="most times the deployed one's size")
    speed: OneByOne = Field(OneByOne(), description="what is timed, and how often")
    webhook: str | None = Field(
        None,
        exclude=True,  # it may hold a secret, and resolved recipes are copied into reports
        description="http(s) URL that gets JSON after a promotion, or env:NAME of a variable that holds it",
    )
    command: tuple[str, ...] = Field((), description="argument list to run after a promotion; gets JSON on stdin")
    announce_timeout_s: float = Field(
        10.0, gt=0, le=3600, description="seconds that the webhook, and the command, may take"
    )

    @field_validator("webhook")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://", "env:")):
            raise ValueError("give an http:// or https:// URL, or env:NAME of a variable that holds one")
        return value

    @property
    def measured(self) -> str:
        """Name of the metric that accuracy is."""
        return self.metric or METRICS[self.task or "regression"][0]

    @model_validator(mode="after")
    def _of_one_set(self) -> Self:
        given = [name for name in OF_A_SET if self.set is not None and name in self.model_fields_set]
        if given:
            raise ValueError(f"{given[0]} does not go with set: {self.set}, which says it itself; leave one out")
        return self

    @model_validator(mode="after")
    def _of_one_task(self) -> Self:
        if self.task is None:  # of a recipe that says it elsewhere
            return self
        if self.metric not in (None, *METRICS[self.task]):
            raise ValueError(f"metric: {self.metric} does not go with {self.task}; {' or '.join(METRICS[self.task])}")
        if self.task == "multiclass" and len(self.classes) < 3:
            raise ValueError("classes: name the three or more that the artifact tells apart, in its order")
        if self.task == "binary" and len(self.classes) not in (0, 2):
            raise ValueError(f"classes: two of them, the second positive, not {len(self.classes)}")
        if self.task in ("regression", "retrieval") and self.classes:
            raise ValueError(f"classes do not go with {self.task}")
        if self.quoting is not None and self.task == "retrieval":
            raise ValueError("quoting is of .tsv and .csv files of pairs, which retrieval has none of")
        if self.dev is not None and self.task != "binary":
            raise ValueError(f"dev: a threshold is chosen on it, which {self.task} has none of")
        return self

    @model_validator(mode="after")
    def _timed_one_by_one(self) -> Self:
        if 1 not in self.speed.batch_sizes:
            raise ValueError("speed.batch_sizes must hold 1: latency is that of one text")
        return self


OPTIONS = {  # fields that the command line has, too
    "task": "--task", "classes": "--classes", "dev": "--dev", "pairs": "--pairs", "metric": "--metric",
    "margin": "--margin", "level": "--level",
    "resamples": "--resamples", "min_accuracy": "--min-accuracy", "min_cosine": "--min-cosine",
    "min_invariance": "--min-invariance", "certificate": "--certificate", "max_latency_ms": "--max-latency-ms",
    "max_latency_ratio": "--max-latency-ratio", "max_size_mib": "--max-size-mib",
    "max_size_ratio": "--max-size-ratio", "webhook": "--webhook", "command": "--command",
    "announce_timeout_s": "--announce-timeout-s", "columns": "--first, --second, --label",
    "quoting": "--quoting", "set": "--on",
    "speed": "--rounds, --threads",
}  # fmt: skip


def promotion_settings(
    recipe: Path | None, options: Mapping[str, Any], overrides: Sequence[str] = ()
) -> PromotionSettings:
    """The `promotion` block of a recipe, with what the command line says over it; its task is the recipe's own.

    Only what is asked of the file is read, so that nothing of training is loaded; relative files of it start at the
    recipe.

    Args:
        recipe: a recipe's file; None: the defaults.
        options: by field; None counts as not given. Mappings, such as `speed`, are merged.
        overrides: `key.of.a.setting=value` over the recipe's, as given to `--set`; of other blocks they change nothing.

    Raises:
        InputError: all that is wrong, a line each.
    """
    if overrides and recipe is None:
        raise InputError("--set goes over what a recipe says; give --recipe too")
    content, own, places = _block(recipe, overrides) if recipe is not None else ({}, {}, {})
    for field, value in options.items():
        if isinstance(value, Mapping):
            under = content.get(field)
            merged = (under if isinstance(under, dict) else {}) | {k: v for k, v in value.items() if v is not None}
            content |= {field: merged} if merged else {}
        elif value is not None:
            content[field] = value
    if content.get("set") is None:
        content.setdefault("task", own.get("kind", "regression"))
        if content["task"] == own.get("kind") and isinstance(own.get("classes"), list):
            content.setdefault("classes", own["classes"])
    places = {keys: place for keys, place in places.items() if not _from_options(keys, options)}
    try:
        settings = PromotionSettings.model_validate(content)
    except ValidationError as error:
        raise InputError(*(_line(one, options, recipe, places) for one in error.errors())) from error
    misread = [
        f"{recipe}: promotion.{written(keys, places)}: {said}" for keys, said in misread_numbers(settings, places)
    ]
    if misread:
        raise InputError(*misread)
    return settings


def _from_options(keys: Keys, options: Mapping[str, Any]) -> bool:
    value = options.get(keys[0])
    return (value.get(keys[1]) if isinstance(value, Mapping) and len(keys) > 1 else value) is not None


def _block(recipe: Path, overrides: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any], dict[Keys, Place]]:
    """The promotion block, its files found beside the recipe; the task of its texts; the places of the block's values.

    The classes of the texts have theirs among these where the block has none of its own.
    """
    try:
        content, node = read_yaml(recipe)
    except YamlError as error:
        raise InputError(f"{recipe} is no recipe: not YAML in UTF-8; `decant validate {recipe}` tells more") from error
    places = places_of(node)
    if isinstance(content, dict):
        for given in overrides:
            places = overridden(places, *override(content, given))
    block = content.get("promotion") if isinstance(content, dict) else None
    if block is not None and not isinstance(block, dict):
        raise InputError(f"{recipe}: promotion: a mapping of keys is wanted, not {type(block).__name__}")
    found = dict(block or {})
    if found.get("set") is not None and found.get("pairs") is None:
        found["pairs"] = _suite_of(content, recipe)
    for field in ("pairs", "dev"):
        if isinstance(found.get(field), str):
            found[field] = str(recipe.parent / expand_user(found[field]))
    return found, _task_of(content), _beneath(places, ("texts", "task"), "classes") | _beneath(places, ("promotion",))


def _suite_of(content: Any, recipe: Path) -> str:
    """The suite file that a recipe measures on."""
    measure = content.get("measure")
    sets = measure.get("sets") if isinstance(measure, dict) else None
    if not isinstance(sets, str):
        raise InputError(
            f"{recipe}: promotion.set names a set of a file: give the file as measure.sets, or as promotion.pairs"
        )
    return sets


def _beneath(places: Mapping[Keys, Place], keys: Keys, first: str | None = None) -> dict[Keys, Place]:
    """The places beneath some keys, by what follows on these; `first`: of that setting alone."""
    size = len(keys)
    under = {one[size:]: place for one, place in places.items() if len(one) > size and one[:size] == keys}
    return {one: place for one, place in under.items() if first in (None, one[0])}


def _task_of(content: object) -> dict[str, Any]:
    """The `texts.task` block; nothing where it has no kind that a promotion could be judged by."""
    texts = content.get("texts") if isinstance(content, dict) else None
    task = texts.get("task") if isinstance(texts, dict) else None
    kind = task.get("kind") if isinstance(task, dict) else None
    return task if isinstance(task, dict) and isinstance(kind, str) and kind in METRICS else {}


def _line(detail: Any, options: Mapping[str, Any], recipe: Path | None, places: Mapping[Keys, Place]) -> str:
    field = str(detail["loc"][0]) if detail["loc"] else ""
    from_options = options.get(field) is not None
    where = OPTIONS.get(field, field) if from_options else ".".join(map(str, ("promotion", *detail["loc"])))
    message = str(detail["msg"]).removeprefix("Value error, ").replace("Extra inputs are not permitted", "no such key")
    misread = misread_text(detail, places.get(tuple(map(str, detail["loc"]))))
    if misread is not None:
        return f"{recipe}: {where}: {misread}"
    given = detail.get("input")
    shown = f" {given}" if isinstance(given, str | int | float) and field != "webhook" else ""
    return f"{where}{shown}: {message}" if from_options or recipe is None else f"{recipe}: {where}: {message}"
