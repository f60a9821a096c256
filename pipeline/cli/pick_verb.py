"""`decant pick`: the artifact of a finished run to ship under a budget."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from decant.errors import DONE, GATE_FAILED
from pipeline.cli.failures import tell
from pipeline.cli.options import AsJson, RunFolder, grouped, print_json

app = typer.Typer()


@dataclass(frozen=True)
class Limits:
    """A budget, by its own field names; None: no limit."""

    min: Annotated[
        float | None, typer.Option("--min-accuracy", help="Least accuracy ×100, as reports print it: 84.")
    ] = None
    min_of_teacher: Annotated[float | None, typer.Option(help="Least share of the teacher's accuracy: 0.98.")] = None
    max_loss: Annotated[float | None, typer.Option(help="Most points below the teacher: 1.5.")] = None
    latency_ms: Annotated[
        float | None, typer.Option("--max-latency-ms", help="Most milliseconds for one text, median.")
    ] = None
    texts_per_second: Annotated[float | None, typer.Option("--min-texts-per-second", help="Least throughput.")] = None
    size_mib: Annotated[float | None, typer.Option("--max-size-mib", help="Most MiB on disk.")] = None
    dim: Annotated[int | None, typer.Option("--max-dim", help="Most dimensions of a vector.")] = None
    metric: Annotated[str | None, typer.Option(help="What accuracy is, where test sets differ: spearman.")] = None
    set: Annotated[str | None, typer.Option("--on", help="The test set that accuracy is of: scifact.")] = None


@app.command(
    epilog="Examples:\n\n    decant pick runs/stsb --min-accuracy 84 --max-size-mib 60\n\n"
    "    decant pick runs/stsb --max-loss 1.5\n\n    decant pick runs/stsb --max-latency-ms 2 --json"
)
@grouped
def pick(run_folder: RunFolder, limits: Limits, as_json: AsJson = False) -> None:
    """Choose the artifact of a finished run to ship under a budget; exit code 3 where none fits.

    With an accuracy asked for: the fastest for one text whose 95 % interval stays above it. Without: the most accurate.
    """
    from pipeline.pick.pick import budget_of, choice_json, choice_text, pick_artifact

    budget = budget_of(**asdict(limits))
    choice = pick_artifact(run_folder, budget)
    code = DONE if choice.selected is not None else GATE_FAILED
    if as_json:
        print_json(choice_json(choice, run_folder, budget))
    elif choice.selected is not None:
        typer.echo(choice_text(choice, run_folder))
    else:
        tell("\n".join(filter(None, (choice.because, choice.remedy, choice.note, choice.gone))), code)
    raise typer.Exit(code)
