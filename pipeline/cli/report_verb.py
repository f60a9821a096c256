"""`decant report`: the result of a finished run."""

from __future__ import annotations

import typer

from pipeline.cli.options import AsJson, RunFolder

app = typer.Typer()


@app.command(epilog="Example:\n\n    decant report runs/stsb")
def report(run_folder: RunFolder, as_json: AsJson = False) -> None:
    """Show the result of a finished run again."""
    from pipeline.report.rows import read_report_json

    found = read_report_json(run_folder / "report" / "report.json")
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    from pipeline.report.terminal import show_report
    from pipeline.screen.text_console import text_console

    show_report(found, text_console())
    typer.echo(f"\nReport: {run_folder / 'report' / 'report.html'}")
