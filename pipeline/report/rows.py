"""report.json: every measured row of a run, and what was chosen."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PrivateAttr, ValidationError, model_validator

from decant.errors import InputError
from decant.files import expand_user
from export.engines.engine import EngineFacts
from pipeline.measure.grid import Grid
from pipeline.measure.one_against_many import OneAgainstMany
from pipeline.measure.regressions import Regression
from pipeline.measure.set_metrics import IfMeasured, SetMetrics
from pipeline.measure.speed import Latency, LatencyParts
from pipeline.measure.steadiness import Steadinesses, doubted
from pipeline.report.machine import Environment

if TYPE_CHECKING:  # it chooses among these rows
    from pipeline.pick.pick import Limits, Picked

SCHEMA = "decant.report/1"
MINED_KINDS = {
    "near": "near (a text and one of its nearest)",
    "window": "window (one from further down the ranks)",
}
Kind = Literal["teacher", "student", "artifact", "baseline"]


class Parity(BaseModel, frozen=True, extra="forbid"):
    """How well an artifact repeats the model it was exported from, and itself in other company."""

    min_cosine: float = Field(description="worst vector against the exported model's, over the parity texts")
    batch_invariance: float = Field(description="worst vector of a text alone against the same in a mixed batch")
    required_min_cosine: IfMeasured[float] = Field(default=None, description="gate: min_cosine at least this")
    required_batch_invariance: IfMeasured[float] = Field(default=None, description="gate, likewise")

    @property
    def passed(self) -> bool | None:
        """Whether every stated gate holds; None where none is stated."""
        gates = [
            (self.min_cosine, self.required_min_cosine),
            (self.batch_invariance, self.required_batch_invariance),
        ]
        stated = [value >= required for value, required in gates if required is not None]
        return all(stated) if stated else None


class Seeds(BaseModel, frozen=True, extra="forbid"):
    """Main metric over several trainings that differ in the seed only, as fractions."""

    count: int = Field(ge=2)
    mean: float
    sd: float = Field(ge=0, description="sample standard deviation")


class GroupLoss(BaseModel, frozen=True, extra="forbid"):
    """What the quantization of one group of a graph's products costs, as `export.quantize.sensitivity` measures it."""

    group: str = Field(description="its place in the model")
    loss: float = Field(description="1 - mean cosine to float32's vectors with this group alone quantized, 0..2")
    kept: bool = Field(default=False, description="it stays in float32")


class Row(BaseModel, frozen=True, extra="forbid"):
    """One model as measured. What was not is null, or left out where IfMeasured says so."""

    name: str = Field(min_length=1)
    kind: Kind
    layers: int | None = None
    dim: int | None = None
    precision: str | None = None
    sharing: str | None = Field(
        default=None, description="layers from 0 that share an attention map, such as 2–4 | 6–8; null: each has its own"
    )
    runtime: str | None = None
    path: str | None = Field(default=None, description="folder of the model, relative to the run directory")
    parameters: int | None = None
    size_mib: float | None = None
    metrics: dict[str, SetMetrics] = Field(default_factory=dict, description="by test set, such as stsb/test")
    latency_ms: dict[str, Latency] = Field(default_factory=dict, description="by batch size")
    latency_parts: IfMeasured[LatencyParts] = Field(default=None, description="of one text, in the median")
    latency_by_tokens: dict[str, float] = Field(
        default_factory=dict, exclude_if=lambda lengths: not lengths,
        description="median milliseconds for one text by its tokens, specials included",
    )  # fmt: skip
    texts_per_second: float | None = None
    parity: Parity | None = None
    pairs_per_second: IfMeasured[float] = Field(default=None, description="the teacher's throughput")
    steadiness: Steadinesses = {}
    form: IfMeasured[Literal["cosine", "comparator"]] = Field(default=None, description="how vectors are matched")
    one_against_many: IfMeasured[OneAgainstMany] = None
    peak_memory_mib: IfMeasured[float] = None
    trained_on_labels: IfMeasured[bool] = Field(default=None, description="saw this task's own training labels")
    seeds: IfMeasured[Seeds] = None
    note: IfMeasured[str] = None
    graph_sha256: IfMeasured[str] = Field(default=None, description="of the artifact's onnx/model.onnx")
    sensitivity: tuple[GroupLoss, ...] = Field(
        default=(), exclude_if=lambda groups: not groups, description="the costliest group first"
    )

    def unsteady(self, figure: str) -> bool:
        """Whether a speed cannot be trusted: the machine was busy, or its rounds do not agree.

        Args:
            figure: such as latency_ms.1, latency_by_tokens.128, texts_per_second, pairs_per_second.
        """
        return doubted(self.steadiness, figure)

    @property
    def unsteady_throughput(self) -> bool:
        """Whether its texts or pairs a second cannot be trusted."""
        return self.unsteady("texts_per_second") or self.unsteady("pairs_per_second")

    @property
    def unsteady_parts(self) -> bool:
        """Whether the parts of one text's milliseconds cannot be trusted, which are parts of the whole."""
        parts = self.latency_parts
        return self.unsteady("latency_ms.1") or (parts is not None and doubted(parts.steadiness, "tokenizer_ms"))


class Mined(BaseModel, frozen=True, extra="forbid"):
    """Pairs mined from unlabelled texts, and how the embedding teacher's cosines spread without and with them."""

    counts: dict[str, int] = Field(description="pairs by kind: near, window, random")
    before: tuple[int, ...] = Field(description="labelled pairs by cosine, in bins of equal width over -1..1")
    after: tuple[int, ...] = Field(description="the same with the mined ones")

    @property
    def sentence(self) -> str:
        """How many pairs were mined, and how many of each kind."""
        kinds = [f"{count:,} {MINED_KINDS.get(kind, kind)}" for kind, count in self.counts.items() if count]
        listed = " and ".join(part for part in (", ".join(kinds[:-1]), *kinds[-1:]) if part)
        return f"{sum(self.counts.values()):,} pairs were mined from the unlabelled texts: {listed}."


class Engine(BaseModel, frozen=True, extra="forbid"):
    """A TensorRT engine of one cut. It is built by this run, never timed by it."""

    name: str = Field(description="the cut, such as L3xD384")
    path: str = Field(description="the engine's file, relative to the run directory")
    graph_cosine: IfMeasured[float] = Field(
        default=None, description="of its float16 graph to the float32 one, worst of some test texts, in onnxruntime"
    )
    facts: EngineFacts

    @property
    def state(self) -> str:
        """How far this machine could go with it."""
        return "built, not run here" if self.facts.checked == "header" else "built and loaded here, not timed"


class Report(BaseModel):
    """The whole of report.json."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    schema_name: Literal["decant.report/1"] = Field(default="decant.report/1", alias="schema")
    recipe: dict[str, JsonValue] = Field(description="as resolved, defaults filled in")
    environment: Environment
    rows: tuple[Row, ...]
    selected: str | None = Field(default=None, description="name of the row to ship; null: none fits the budget")
    selected_because: IfMeasured[str] = Field(default=None, description="the rule that chose it, one clause")
    grid: IfMeasured[Grid] = Field(default=None, description="accuracy of every cut of a nested student")
    notes: tuple[str, ...] = Field(default=(), exclude_if=lambda notes: not notes)
    left_out: tuple[str, ...] = Field(default=(), exclude_if=lambda left_out: not left_out)
    training_curves: IfMeasured[str] = Field(default=None, description="the training log, relative to the report")
    mined: IfMeasured[Mined] = None
    recipe_sha256: IfMeasured[str] = Field(default=None, description="of the resolved recipe, as in decant.json")
    data_sha256: dict[str, str] = Field(
        default_factory=dict, exclude_if=lambda digests: not digests,
        description="of the pairs of each split: train, dev, test, unlabelled",
    )  # fmt: skip
    engines: tuple[Engine, ...] = Field(default=(), exclude_if=lambda engines: not engines)
    regressions: tuple[Regression, ...] = Field(default=(), exclude_if=lambda rows: not rows)
    _run_folder: Path | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _check_names(self) -> "Report":
        names = [row.name for row in self.rows]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rows are named {twice[0]!r}")
        if self.selected is not None and self.selected not in names:
            raise ValueError(f"selected is {self.selected!r}, but the rows are {', '.join(names)}")
        return self

    @classmethod
    def read(cls, run_folder: str | Path) -> "Report":
        """The report of a finished run, by the run's folder.

        Raises:
            InputError: there is none, or it is not of this schema.
        """
        folder = expand_user(run_folder)
        return read_report_json(folder / "report" / "report.json").placed(folder)

    def placed(self, run_folder: Path) -> "Report":
        """The same report, which knows its run's folder as commands are to name it."""
        found = self.model_copy()
        found._run_folder = run_folder
        return found

    @property
    def folder(self) -> str:
        """The run's folder as a command names it; runs/NAME where it is not known."""
        return str(self._run_folder or f"runs/{self.recipe.get('name', 'NAME')}")

    def pick(self, **limits: "Unpack[Limits]") -> "Picked":
        """Choose the artifact to ship, as `decant pick` does.

        With an accuracy asked for: the fastest for one text whose 95 % interval stays above it. Without: the most
        accurate. An artifact whose files are gone is passed over, and `because` says so.

        Raises:
            GateError: none keeps all the limits; tells which comes nearest, and what it misses.
            InputError: a limit that nothing can keep.
        """
        from pipeline.pick.pick import picked

        return picked(self.rows, self._run_folder, limits)

    def row(self, name: str) -> Row:
        """Find a row by its name.

        Raises:
            KeyError: no such row.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)


def write_report_json(report: Report, path: Path) -> None:
    """Write report.json: UTF-8, indented, a final newline."""
    path.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_report_json(path: Path) -> Report:
    """Read what `write_report_json` wrote.

    Raises:
        InputError: no such file, not JSON, or not this schema; names the file and the first wrong key.
    """
    try:
        return Report.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; a run writes it as report/report.json") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path}: {where}: {first['msg']} (expected {SCHEMA})") from error
