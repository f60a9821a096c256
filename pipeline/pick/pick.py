"""`decant pick`: the artifact of a finished run to ship under a budget, from its report alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from pydantic import ValidationError

from decant.errors import GateError, InputError, visible
from pipeline.pick.budget import OPTIONS, Budget, Choice, choose
from pipeline.pick.files_there import choose_there, folder_of, lacking
from pipeline.pick.passed_over import passed_over_said
from pipeline.report.figures import METRIC_NAMES, duration, points, significant
from pipeline.report.main_table import label, latency_of, throughput
from pipeline.report.rows import Row, read_report_json


class Limits(TypedDict, total=False):
    """What an artifact to ship must keep, as the options of `decant pick` say it."""

    min_accuracy: float
    """×100, as reports print it: 84; the lower end of the 95 % interval must keep it."""
    min_of_teacher: float
    """Share of the teacher's accuracy, 0..1."""
    max_loss: float
    """Points ×100 below the teacher's accuracy."""
    max_latency_ms: float
    """For one text, median."""
    min_texts_per_second: float
    max_size_mib: float
    max_dim: int
    metric: str
    """What accuracy is, where test sets differ: spearman."""
    on: str
    """The test set that accuracy is of: scifact."""


class Picked(NamedTuple):
    """The artifact to ship: its row, its folder, and the rule that chose it."""

    row: Row
    folder: Path
    because: str


def budget_of(**limits: float | str | None) -> Budget:
    """A budget from the command's options, by the budget's own field names.

    Raises:
        InputError: a limit that nothing can keep; a line each, with the option's name.
    """
    return _budget(limits, OPTIONS)


def picked(rows: Sequence[Row], run_folder: Path | None, limits: Limits) -> Picked:
    """What `Report.pick` gives.

    Args:
        rows: of the report.
        run_folder: None where it is not known; whether the artifacts are there is not looked at then.
        limits: which the artifact must keep.

    Raises:
        GateError: no artifact keeps all the limits; tells which comes nearest, and what it misses.
        InputError: as `budget_of`, with the names of `Limits`.
        TypeError: there is no limit of such a name.
    """
    names = {field: option.removeprefix("--").replace("-", "_") for field, option in OPTIONS.items()}
    given: dict[str, object] = {**limits}
    unknown = sorted(set(given) - set(names.values()))
    if unknown:
        raise TypeError(f"there is no limit {unknown[0]!r}; there are {', '.join(names.values())}")
    budget = _budget({field: given[name] for field, name in names.items() if name in given}, names)
    choice = choose(rows, budget) if run_folder is None else _choose_there(rows, run_folder, budget)
    if choice.selected is None:
        raise GateError(choice.refusal)
    because = "; ".join(filter(None, (choice.because, choice.gone)))
    return Picked(choice.selected, folder_of(choice.selected, run_folder or Path()), because)


def _budget(limits: Mapping[str, object], names: Mapping[str, str]) -> Budget:
    try:
        return Budget.model_validate(limits)
    except ValidationError as error:
        lines = [
            f"{names[str(one['loc'][0])]} {one['input']}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        ]
        raise InputError(*lines) from error


def pick_artifact(run_folder: Path, budget: Budget) -> Choice:
    """Choose among the artifacts that a run's report has figures of, and whose files are there.

    Raises:
        InputError: no report there, or as `choose`.
    """
    return _choose_there(read_report_json(run_folder / "report" / "report.json").rows, run_folder, budget)


def _choose_there(rows: Sequence[Row], run_folder: Path, budget: Budget) -> Choice:
    choice = choose_there(rows, run_folder, lambda left: choose(left, budget))
    if choice.selected is None:
        return choice
    there = [row for row in rows if row.kind != "artifact" or lacking(row, run_folder) is None]
    return replace(choice, passed_over=passed_over_said(there, choice.selected, budget, str(run_folder)))


def choice_text(choice: Choice, run_folder: Path) -> str:
    """Lines for a person: what was chosen, its folder, its figures, the rule, and who came close.

    Raises:
        ValueError: nothing was chosen.
    """
    row = choice.selected
    if row is None:
        raise ValueError(f"nothing was chosen: {choice.because}")
    lines = [label(row), f"  {folder_of(row, run_folder)}", f"  {', '.join(_figures(row, choice.set_name))}"]
    lines += [f"Chosen as {choice.because}.", *filter(None, (choice.note, choice.passed_over))]
    return "\n".join(map(visible, [*lines, *([f"{choice.gone}."] if choice.gone else [])]))


def choice_json(choice: Choice, run_folder: Path, budget: Budget) -> dict[str, Any]:
    """The same for a script; accuracies are fractions, except in the budget, which is as it was given."""
    selected, nearest = choice.selected, choice.nearest
    return {
        "selected": selected.name if selected else None,
        "folder": str(folder_of(selected, run_folder)) if selected else None,
        "because": choice.because,
        "note": choice.note,
        "passed_over": choice.passed_over,
        "remedy": choice.remedy,
        "gone": choice.gone,
        "nearest": nearest.name if nearest else None,
        "misses": [{"limit": one.limit, "value": one.value, "allowed": one.allowed} for one in choice.misses],
        "set": choice.set_name,
        "floor": choice.floor,
        "budget": budget.model_dump(mode="json", exclude_none=True),
        "row": selected.model_dump(mode="json") if selected else None,
    }


def _figures(row: Row, set_name: str | None) -> list[str]:
    said = []
    if set_name is not None and set_name in row.metrics:
        measured = row.metrics[set_name]
        low, high = measured.ci95
        said.append(
            f"{METRIC_NAMES[measured.metric]} {points(measured.value)} on {set_name} "
            f"(95 % interval {points(low)} to {points(high)})"
        )
    said += [f"{latency_of(row, '1', duration)} for one text"] if "1" in row.latency_ms else []
    said += [f"{throughput(row)} texts/s"] if row.texts_per_second is not None else []
    said += [f"{significant(row.size_mib)} MiB"] if row.size_mib is not None else []
    return said + ([f"{row.dim} dimensions"] if row.dim is not None else [])
