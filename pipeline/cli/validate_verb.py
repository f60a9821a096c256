"""`decant validate`: all that is wrong with a recipe, at once."""

from __future__ import annotations

import typer

from decant.errors import InputError
from pipeline.cli.options import AsJson, Overrides, RecipeFile, print_json

app = typer.Typer()


@app.command(epilog="Example:\n\n    decant validate configs/stsb.yaml --set student.epochs=5")
def validate(recipe: RecipeFile, set_: Overrides = None, as_json: AsJson = False) -> None:
    """Check a recipe, its files and its models; tell all errors at once."""
    from pipeline.recipe.recipe import load_recipe

    try:
        loaded = load_recipe(recipe, set_ or ())
        from pipeline.preflight.preflight import check_preflight  # which a wrong recipe need not wait for
        from pipeline.screen.console import Screen

        with Screen(quiet=as_json).watch(f"checking the files and models of {loaded.name}", 1):
            check_preflight(loaded, recipe.parent)
    except InputError as error:
        if not as_json:
            raise
        print_json({"recipe": str(recipe), "errors": str(error).split("\n")})
        raise typer.Exit(error.exit_code) from error
    if as_json:
        print_json({"recipe": str(recipe), "errors": []})
    else:
        typer.echo(f"{recipe} is valid")
