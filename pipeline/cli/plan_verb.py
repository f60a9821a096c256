"""`decant plan`: what a run would do."""

from __future__ import annotations

import typer

from pipeline.cli.options import AsJson, Out, Overrides, RecipeFile, print_json, print_table, run_dir_of

app = typer.Typer()


@app.command(epilog="Example:\n\n    decant plan configs/stsb.yaml")
def plan(recipe: RecipeFile, set_: Overrides = None, out: Out = None, as_json: AsJson = False) -> None:
    """Show the stages of a run: what is done already, and about how long the rest takes."""
    from pipeline.recipe.recipe import load_recipe
    from pipeline.screen.console import Screen

    loaded = load_recipe(recipe, set_ or ())
    with Screen(quiet=as_json).watch(f"reading texts and models of {loaded.name}", 1):
        from pipeline.plan import plan_table, planned_stages

        stages = planned_stages(loaded, recipe.parent, run_dir_of(loaded.name, out))
    if as_json:
        print_json([stage.as_dict() for stage in stages])
    else:
        print_table(plan_table(stages))
