"""`decant init`: a recipe to start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from decant.errors import InputError
from pipeline.cli.options import grouped

app = typer.Typer()
YAML = (".yaml", ".yml")
EXAMPLES = """Examples:

    decant init questions.csv                        # looks at the file's columns, writes questions.yaml

    decant init questions.csv --label same --task binary --test held_out.csv

    decant init --unlabelled captions.txt            # texts without labels, writes captions.yaml

    decant init my.yaml --train pairs.tsv --test held_out.tsv    # looks at no file"""


@dataclass(frozen=True)
class Said:
    """What the command line says of the columns, in place of what the file shows."""

    first: Annotated[str | None, typer.Option(help="Column of the first text.", show_default="found out")] = None
    second: Annotated[str | None, typer.Option(help="Column of the second text.", show_default="found out")] = None
    label: Annotated[str | None, typer.Option(help="Column of the label.", show_default="found out")] = None
    task: Annotated[str | None, typer.Option(help="regression, binary or multiclass.", show_default="found out")] = None


@app.command(epilog=EXAMPLES)
@grouped
def init(
    recipe: Annotated[
        Path | None,
        typer.Argument(help="A file of labelled pairs (.tsv .csv .jsonl .parquet), or the recipe to write (.yaml).",
                       metavar="[DATA|RECIPE]", show_default="recipe.yaml"),
    ] = None,
    train: Annotated[
        str | None, typer.Option(help="File of training pairs, beside the recipe.", show_default="train.tsv")
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="File of test pairs.", show_default="test.tsv, or a share of DATA")
    ] = None,
    unlabelled: Annotated[Path | None, typer.Option(help="A file of texts without labels.")] = None,
    said: Said = Said(),
    force: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
) -> None:  # fmt: skip
    """Write a recipe to start from; of a file of pairs or texts, one that can be run at once."""
    from decant.models.start_model import start_model
    from pipeline.recipe.starter import starter_recipe

    data = unlabelled
    if data is None and recipe is not None and recipe.suffix not in YAML and (recipe.is_file() or _is_data(recipe)):
        data, recipe = recipe, None
    target = recipe or Path(f"{data.stem}.yaml" if data is not None else "recipe.yaml")
    if target.exists() and not force:
        raise InputError(f"{target} is there already; give another name, or --force to replace it")
    if data is None:
        _refuse(said, None)
        text, told = starter_recipe(target.stem, train or "train.tsv", test or "test.tsv", start_model()), ""
    elif train is not None:
        raise InputError(f"--train {train}: {data} is what is trained on; leave one of the two out")
    elif unlabelled is not None:
        text, told = _of_texts(data, target, test, said)
    else:
        text, told = _of_pairs(data, target, test, said)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    if told:
        typer.echo(f"{data}: {told}\nwrote {target}: `decant validate {target}`, then `decant run {target}`")
    else:
        typer.echo(f"wrote {target}: set its files and columns, then `decant validate {target}`")


def _of_pairs(data: Path, target: Path, test: str | None, said: Said) -> tuple[str, str]:
    """The recipe, and a line on what was found."""
    from decant.models.start_model import start_model
    from pipeline.recipe.guess import guess_pairs, named_kind
    from pipeline.recipe.starter import pairs_recipe

    found = guess_pairs(data, said.first, said.second, said.label, named_kind(said.task))
    model = start_model()
    text = pairs_recipe(target.stem, found, _beside(data, target), test and _beside(Path(test), target), model)
    held = f"measured on {test}" if test else "a fifth is held back to measure on"
    return text, (
        f"{found.rows:,} pairs of {found.first!r} and {found.second!r}, label {found.label!r} ({found.task['kind']}), "
        f"{held}; model {model}; --first, --second, --label and --task say otherwise"
    )


def _of_texts(data: Path, target: Path, test: str | None, said: Said) -> tuple[str, str]:
    from decant.models.reference import layers_of
    from decant.models.start_model import start_model
    from pipeline.recipe.guess import guess_texts
    from pipeline.recipe.starter import texts_recipe

    _refuse(Said(None, said.second, said.label, said.task), test)
    column, rows = guess_texts(data, said.first)
    model = start_model()
    columns = (column,) if data.suffix != ".txt" else ()
    text = texts_recipe(target.stem, _beside(data, target), columns, rows, model, layers_of(model))
    return text, f"{rows:,} texts of column {column!r}; teacher and start model {model}; --first names another column"


def _refuse(said: Said, test: str | None) -> None:
    """Options that say something of a file that is not looked at, or has no labels."""
    given = {"--first": said.first, "--second": said.second, "--label": said.label, "--task": said.task, "--test": test}
    for option, value in given.items():
        if value is not None:
            raise InputError(
                f"{option} {value}: it goes with a file of labelled pairs alone, such as `decant init questions.csv`; "
                "leave it out"
            )


def _is_data(path: Path) -> bool:
    from pipeline.texts.sentences import SentenceSource

    return path.suffix in SentenceSource.endings


def _beside(path: Path, target: Path) -> str:
    """The path as the recipe names it: from its own folder, where it lies below that."""
    file, folder = path.resolve(), target.resolve().parent
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)
