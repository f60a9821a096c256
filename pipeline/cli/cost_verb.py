"""`decant cost`: what it takes to label many pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import AsJson, print_json

app = typer.Typer()


@app.command(epilog="Example:\n\n    decant cost runs/stsb --pairs 1e9 --workers 64 --price 0.04")
def cost(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run whose cross-encoder labelled pairs.")],
    pairs: Annotated[float, typer.Option(help="Distinct pairs to label, such as 1e9.")],
    workers: Annotated[int, typer.Option(help="Workers, each as fast as one of that run.")] = 1,
    price: Annotated[float | None, typer.Option(help="Price of one worker for an hour.", min=0)] = None,
    as_json: AsJson = False,
) -> None:
    """Reckon what it takes to label many pairs, from what a run measured: time, shards, disk, memory, price."""
    from pipeline.label_cost import cost_lines, label_cost, read_labelling

    measured = read_labelling(run)
    found = label_cost(measured, pairs, workers, price)
    if as_json:
        print_json(found.as_dict())
    else:
        typer.echo("\n".join(cost_lines(measured, found)))
