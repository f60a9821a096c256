"""`decant run`: a recipe, end to end."""

from __future__ import annotations

from typing import Annotated

import typer

from decant.errors import GateError, InputError, visible
from pipeline.cli.options import AsJson, Out, Overrides, RecipeFile, run_dir_of
from pipeline.screen.log_lines import VARIABLE, log_format

app = typer.Typer()


@app.command(
    epilog="Examples:\n\n    decant run configs/quickstart.yaml\n\n"
    "    decant run my.yaml --set student.epochs=5 --out runs/try-5\n\n    decant run my.yaml --from student"
)
def run(
    recipe: RecipeFile,
    set_: Overrides = None,
    out: Out = None,
    from_: Annotated[str | None, typer.Option("--from", help="Make this stage and all after it again.")] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the result.")] = False,
    log_format_: Annotated[
        str,
        typer.Option("--log-format", envvar=VARIABLE, help="What is said on stderr: text, or json, one object a line."),
    ] = "text",
) -> None:
    """Run a recipe end to end; finished stages are used again, a killed run goes on where it was."""
    from pipeline.pick.shipped import last_lines, shipped
    from pipeline.recipe.recipe import load_recipe
    from pipeline.screen.console import Screen

    loaded = load_recipe(recipe, set_ or ())
    run_dir = run_dir_of(loaded.name, out)
    screen = Screen(quiet=quiet, form=log_format(log_format_), run=loaded.name)
    screen.say(f"{loaded.name}: a run in {run_dir.root}")

    from pipeline.report.terminal import show_report  # here, since these load what trains, for seconds
    from pipeline.run import run as run_recipe
    from pipeline.run import stages_of
    from pipeline.screen.text_console import text_console
    from pipeline.tracking.last_run import recorded

    stages = [stage.name for stage in stages_of(loaded)]
    if from_ is not None and from_ not in stages:
        raise InputError(f"--from {from_}: this recipe has no such stage; its stages are {', '.join(stages)}")
    with recorded(loaded, recipe.parent, run_dir, screen):
        report = run_recipe(loaded, recipe.parent, run_dir, screen, from_).placed(run_dir.root)
        if as_json:
            typer.echo(report.model_dump_json(indent=2))
        else:
            show_report(report, text_console())
            typer.echo("\n" + "\n".join(map(visible, last_lines(report, run_dir.root))))
        if report.left_out:
            raise GateError(f"{'; '.join(report.left_out)}; all else is finished")
        if loaded.budget is not None and report.selected is None:
            raise GateError(f"budget {shipped(report.rows, loaded.budget).refusal}")
