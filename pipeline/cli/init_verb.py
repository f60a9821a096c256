"""`decant init`: a recipe to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from decant.errors import InputError
from pipeline.cli.options import RecipeFile

app = typer.Typer()


@app.command(epilog="Example:\n\n    decant init my.yaml --train pairs.tsv --test held_out.tsv")
def init(
    recipe: RecipeFile = Path("recipe.yaml"),
    train: Annotated[str, typer.Option(help="File of training pairs, beside the recipe.")] = "train.tsv",
    test: Annotated[str, typer.Option(help="File of test pairs.")] = "test.tsv",
    force: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented recipe to start from."""
    from pipeline.recipe.starter import starter_recipe

    if recipe.exists() and not force:
        raise InputError(f"{recipe} is there already; give another name, or --force to replace it")
    recipe.parent.mkdir(parents=True, exist_ok=True)
    recipe.write_text(starter_recipe(recipe.stem, train, test), encoding="utf-8")
    typer.echo(f"wrote {recipe}: set its files and columns, then `decant validate {recipe}`")
