"""Arguments and options that several verbs of the command line share, and the width of tables in files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from decant.table import Table
from pipeline.screen.terminal_table import command_table
from pipeline.screen.text_console import text_console

RecipeFile = Annotated[Path, typer.Argument(help="The recipe, a YAML file.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="key=value over the recipe's, such as student.epochs=1.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
Quoting = Annotated[
    str | None,
    typer.Option(
        help="Of a .tsv or .csv file: csv (quotes enclose cells) or none (they are characters).",
        show_default="found out",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
REGISTRY_VARIABLE = "DECANT_REGISTRY"  # a registry's place, kept out of the arguments that every user of a machine sees
WIDE = 160  # columns of a table that no terminal shows


def print_table(table: Table) -> None:
    """Print a table: as wide as the terminal is, or WIDE in a file or a pipe."""
    text_console(width=None if sys.stdout.isatty() else WIDE).print(command_table(table))


def print_json(content: object) -> None:
    """Print JSON for a script."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
