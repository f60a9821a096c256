"""`decant report`: the result of a finished run."""

from __future__ import annotations

import typer

from decant.errors import visible
from pipeline.cli.options import AsJson, RunFolder

app = typer.Typer()


@app.command(epilog="Example:\n\n    decant report runs/stsb")
def report(run_folder: RunFolder, as_json: AsJson = False) -> None:
    """Show the result of a finished run again."""
    from pipeline.report.rows import Report

    found = Report.read(run_folder)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    from pipeline.pick.shipped import last_lines
    from pipeline.report.terminal import show_report
    from pipeline.screen.text_console import text_console

    show_report(found, text_console())
    typer.echo("\n" + "\n".join(map(visible, last_lines(found, run_folder))))
