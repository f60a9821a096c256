"""`decant eval`: an artifact on a file of labelled pairs."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import ArtifactFolder, AsJson, Quoting, Threads, grouped, print_json

app = typer.Typer()


@dataclass(frozen=True)
class Columns:
    """What the columns of a file of labelled pairs are called."""

    first: Annotated[str, typer.Option(help="Column of the first text.")] = "sentence1"
    second: Annotated[str, typer.Option(help="Column of the second text.")] = "sentence2"
    label: Annotated[str, typer.Option(help="Column of the label, a number.")] = "label"


@app.command(
    "eval",
    epilog="Example:\n\n    decant eval runs/stsb/artifacts/L6xD384-fp32 --pairs my_pairs.tsv --label score",
)
@grouped
def evaluate(
    artifact: ArtifactFolder,
    pairs: Annotated[Path, typer.Option(help="File of labelled pairs.")],
    columns: Columns,
    first_prompt: Annotated[
        str | None, typer.Option(help="Name of the artifact's prompt that the first text stands behind.")
    ] = None,
    second_prompt: Annotated[str | None, typer.Option(help="Name of the second text's prompt.")] = None,
    quoting: Quoting = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Measure an artifact on a file of pairs with graded labels: Spearman and Pearson of its cosines."""
    from pipeline.screen.console import Screen

    with Screen(quiet=as_json).watch("reading and scoring pairs", 1):
        from pipeline.measure.artifact_scores import evaluate_artifact
        from pipeline.texts.quoting import quoting_option

        prompts = (first_prompt, second_prompt)
        result = evaluate_artifact(artifact, pairs, astuple(columns), threads, prompts, quoting_option(quoting))
    if as_json:
        print_json(result)
        return
    low, high = result["ci95"]
    typer.echo(
        f"{result['pairs']:,} pairs: Spearman {100 * result['spearman']:.2f} "
        f"(95 % interval {100 * low:.2f} to {100 * high:.2f}), Pearson {100 * result['pearson']:.2f}"
    )
