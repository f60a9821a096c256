"""What a candidate must hold to before it is deployed: a recipe's `promotion` block, or options of `decant promote`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from pipeline.measure.speed import SpeedSettings
from pipeline.yaml_text import YamlError, read_yaml
from teachers.errors import InputError
from teachers.given_path import expanded


class PairColumns(BaseModel, frozen=True, extra="forbid"):
    """Columns of the evaluation pairs."""

    first: str = Field("sentence1", description="of the first text")
    second: str = Field("sentence2", description="of the second text")
    label: str = Field("label", description="of the label, a number")


class OneByOne(SpeedSettings, frozen=True, extra="forbid"):
    """What is timed: one text at a time, and all of them for the throughput."""

    batch_sizes: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (1,), min_length=1, description="texts in one call for the latency figures; 1 must be among them"
    )


class PromotionSettings(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Gates of a promotion, the pairs that they are measured on, and who is told."""

    pairs: str | None = Field(None, description="file of labelled pairs to measure on, beside the recipe")
    columns: PairColumns = PairColumns()
    metric: Literal["spearman", "pearson"] = Field("spearman", description="what accuracy is")
    margin: float = Field(
        1.0, ge=0, le=100, description="most points ×100 that the interval of the difference may reach below 0"
    )
    level: float = Field(0.95, gt=0, lt=1, description="share inside that interval, by paired bootstrap")
    resamples: int = Field(1000, ge=100, le=100_000, description="of the bootstrap")
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
    speed: OneByOne = OneByOne()
    webhook: str | None = Field(
        None,
        exclude=True,  # it may hold a secret, and resolved recipes are copied into reports
        description="http(s) URL that gets JSON after a promotion, or env:NAME of a variable that holds it",
    )
    command: tuple[str, ...] = Field((), description="argument list to run after a promotion; gets JSON on stdin")
    announce_timeout_s: float = Field(10.0, gt=0, le=3600, description="of the webhook, and of the command")

    @field_validator("webhook")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://", "env:")):
            raise ValueError("give an http:// or https:// URL, or env:NAME of a variable that holds one")
        return value

    @model_validator(mode="after")
    def _timed_one_by_one(self) -> Self:
        if 1 not in self.speed.batch_sizes:
            raise ValueError("speed.batch_sizes must hold 1: latency is that of one text")
        return self


OPTIONS = {  # fields that the command line has, too
    "pairs": "--pairs", "metric": "--metric", "margin": "--margin", "level": "--level",
    "resamples": "--resamples", "min_accuracy": "--min-accuracy", "min_cosine": "--min-cosine",
    "min_invariance": "--min-invariance", "certificate": "--certificate", "max_latency_ms": "--max-latency-ms",
    "max_latency_ratio": "--max-latency-ratio", "max_size_mib": "--max-size-mib",
    "max_size_ratio": "--max-size-ratio", "webhook": "--webhook", "command": "--command",
    "announce_timeout_s": "--announce-timeout-s", "columns": "--first, --second, --label",
    "speed": "--rounds, --threads",
}  # fmt: skip


def promotion_settings(recipe: Path | None, options: Mapping[str, Any]) -> PromotionSettings:
    """The `promotion` block of a recipe, with what the command line says over it.

    Only that block is read, so that nothing of training is loaded; a relative `pairs` of it starts at the recipe.

    Args:
        recipe: a recipe's file; None: the defaults.
        options: by field; None counts as not given. Mappings, such as `speed`, are merged.

    Raises:
        InputError: all that is wrong, a line each.
    """
    content = _block(recipe) if recipe is not None else {}
    for field, value in options.items():
        if isinstance(value, Mapping):
            under = content.get(field)
            merged = (under if isinstance(under, dict) else {}) | {k: v for k, v in value.items() if v is not None}
            content |= {field: merged} if merged else {}
        elif value is not None:
            content[field] = value
    try:
        return PromotionSettings.model_validate(content)
    except ValidationError as error:
        raise InputError(*(_line(one, options, recipe) for one in error.errors())) from error


def _block(recipe: Path) -> dict[str, Any]:
    try:
        content, _ = read_yaml(recipe)
    except YamlError as error:
        raise InputError(f"{recipe} is no recipe: not YAML in UTF-8; `decant validate {recipe}` tells more") from error
    block = content.get("promotion") if isinstance(content, dict) else None
    if block is not None and not isinstance(block, dict):
        raise InputError(f"{recipe}: promotion: a mapping of keys is wanted, not {type(block).__name__}")
    found = dict(block or {})
    if isinstance(found.get("pairs"), str):
        found["pairs"] = str(recipe.parent / expanded(found["pairs"]))
    return found


def _line(detail: Any, options: Mapping[str, Any], recipe: Path | None) -> str:
    field = str(detail["loc"][0]) if detail["loc"] else ""
    from_options = options.get(field) is not None
    where = OPTIONS.get(field, field) if from_options else ".".join(map(str, ("promotion", *detail["loc"])))
    message = str(detail["msg"]).removeprefix("Value error, ").replace("Extra inputs are not permitted", "no such key")
    given = detail.get("input")
    shown = f" {given}" if isinstance(given, str | int | float) and field != "webhook" else ""
    return f"{where}{shown}: {message}" if from_options else f"{recipe}: {where}: {message}"
