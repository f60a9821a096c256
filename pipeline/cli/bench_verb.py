"""`decant bench`: artifacts timed beside each other, and beside other libraries."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.eval_verb import Columns
from pipeline.cli.options import AsJson, Quoting, Threads, grouped, print_json, print_table

app = typer.Typer()


@app.command(
    epilog="Examples:\n\n    decant bench runs/stsb/artifacts/L6xD384-fp32 --pairs my_pairs.tsv\n\n"
    "    decant bench runs/nested/artifacts/L*-fp32 --pairs my_pairs.tsv --peers sentence-transformers/all-MiniLM-L6-v2"
)
@grouped
def bench(
    artifacts: Annotated[list[Path], typer.Argument(help="Artifact folders.", metavar="ARTIFACT…")],
    pairs: Annotated[Path, typer.Option(help="File of labelled pairs, whose texts are encoded.")],
    peers: Annotated[
        str | None, typer.Option(help="Model that sentence-transformers and model2vec are to run beside.")
    ] = None,
    *,
    columns: Columns,
    quoting: Quoting = None,
    threads: Threads = None,
    rounds: Annotated[int, typer.Option(help="Timed rounds of one text; of 32 texts a fifth.", min=1)] = 100,
    as_json: AsJson = False,
) -> None:
    """Time artifacts beside each other, and beside what other libraries make of a model, in one run."""
    from pipeline.screen.console import Screen

    watch = Screen(quiet=as_json).watch
    with watch("loading", 1):
        from pipeline.measure.bench import bench as run_bench
        from pipeline.measure.bench import bench_table
        from pipeline.measure.speed import SpeedSettings
        from pipeline.texts.quoting import quoting_option

    told = quoting_option(quoting)
    settings = SpeedSettings(rounds=rounds, batch_rounds=max(1, rounds // 5), threads=threads)
    found = run_bench(artifacts, pairs, astuple(columns), peers, settings, watch, told)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    table = bench_table(found)
    print_table(table)
    where = f"{found.environment.cpu}, {found.environment.threads} threads"
    typer.echo(f"\nSpearman ×100 of {found.pairs:,} pairs; {found.texts:,} texts, tokenizer included; {where}")
    for note in (*table.legend, *found.notes):
        typer.echo(note)
