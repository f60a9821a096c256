"""What several verbs of the command line share: arguments, options, options by the group, and how they print."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from decant.table import Table
    from pipeline.run_dir import RunDir

RecipeFile = Annotated[Path, typer.Argument(help="The recipe, a YAML file.", metavar="RECIPE")]
RunFolder = Annotated[Path, typer.Argument(help="A finished run's folder.", metavar="RUN")]
ArtifactFolder = Annotated[
    Path, typer.Argument(help="An artifact folder, such as runs/NAME/artifacts/L6xD384-fp32.", metavar="ARTIFACT")
]
RegistryPlace = Annotated[
    str, typer.Argument(help="The registry: a folder, or a URL such as s3://bucket/models.", metavar="REGISTRY")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="key=value over the recipe's, such as student.epochs=1.")
]
Out = Annotated[Path | None, typer.Option(help="The run's folder.", show_default="runs/NAME")]
Quoting = Annotated[
    str | None,
    typer.Option(
        help="Of a .tsv or .csv file: csv (quotes enclose cells) or none (they are characters).",
        show_default="found out",
    ),
]
Threads = Annotated[int | None, typer.Option(help="CPU threads.", min=1)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


def grouped(function: Callable[..., None]) -> Callable[..., None]:
    """A command in which a parameter of a dataclass is an option for each field; the function gets the dataclass.

    The options stand where the parameter stands, in the order of the fields. Each field is annotated as an option of
    the command would be: `Annotated[int, typer.Option(help=...)]`.
    """
    signature = inspect.signature(function, eval_str=True)
    groups: dict[str, Any] = {
        name: one.annotation for name, one in signature.parameters.items() if is_dataclass(one.annotation)
    }
    parameters = []
    for name, one in signature.parameters.items():
        parameters += _of_fields(groups[name]) if name in groups else [one.replace(kind=one.KEYWORD_ONLY)]

    @wraps(function)
    def command(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        function(**given)

    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


def run_dir_of(name: str, out: Path | None) -> RunDir:
    """The folder of a recipe's run: --out, or runs/NAME."""
    from pipeline.run_dir import RunDir

    return RunDir(out if out is not None else Path("runs") / name)


def print_table(table: Table) -> None:
    """Print a table: as wide as the terminal is, with a line on what had no room; a file or a pipe gets all of it."""
    from pipeline.screen.terminal_table import NO_EDGE, command_table, left_out
    from pipeline.screen.text_console import text_console

    console = text_console(width=None if sys.stdout.isatty() else NO_EDGE)
    shown = command_table(table, console.width)
    console.print(shown.table)
    for sentence in left_out(shown.dropped):
        console.print(sentence)


def print_json(content: object) -> None:
    """Print JSON for a script."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


def _of_fields(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, annotation=hints[field.name],
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
        )
        for field in fields(group)
    ]  # fmt: skip
