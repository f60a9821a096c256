"""`decant compare`: several finished runs on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command(
    epilog="Examples:\n\n    decant compare runs/nested runs/general\n\n"
    "    decant compare runs/try-1 runs/try-2 runs/try-3 --out tries.html"
)
def compare(
    run_folders: Annotated[list[Path], typer.Argument(help="Finished runs' folders.", metavar="RUN…")],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("compare.html"),
) -> None:
    """Write one page of several finished runs: their rows in one plot and one table, labelled by run."""
    from pipeline.report.compare import compare_runs

    typer.echo(f"{compare_runs(run_folders, out)}\n\nComparison: {out}")
