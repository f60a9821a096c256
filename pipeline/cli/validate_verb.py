"""`decant validate`: all that is wrong with a recipe, at once."""

from __future__ import annotations

import typer

from decant.errors import BAD_INPUT, DONE
from pipeline.cli.options import AsJson, Overrides, RecipeFile, print_json

app = typer.Typer()


@app.command(epilog="Example:\n\n    decant validate configs/stsb.yaml --set student.epochs=5")
def validate(recipe: RecipeFile, set_: Overrides = None, as_json: AsJson = False) -> None:
    """Check a recipe, its files and its models; tell all errors at once."""
    from pipeline.recipe.recipe import RecipeError, load_recipe

    try:
        loaded = load_recipe(recipe, set_ or ())
        from pipeline.preflight.preflight import preflight_errors  # with torch, which a wrong recipe need not wait for

        errors = preflight_errors(loaded, recipe.parent)
    except RecipeError as error:
        errors = error.errors
    if as_json:
        print_json({"recipe": str(recipe), "errors": errors})
        raise typer.Exit(BAD_INPUT if errors else DONE)
    if errors:
        raise RecipeError(errors)
    typer.echo(f"{recipe} is valid")
