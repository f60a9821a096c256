"""`decant analyse`: how alike a model's layers attend, and which of them could share a map."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from decant.errors import InputError
from pipeline.cli.options import AsJson, Quoting, grouped, print_json, print_table

if TYPE_CHECKING:
    from students.sharing.sharing_settings import SharingSettings

app = typer.Typer()


@dataclass(frozen=True)
class Inputs:
    """What the model is run on."""

    texts: Annotated[Path, typer.Option(help="File of texts: .txt with one a line, or .tsv .csv .jsonl .parquet.")]
    column: Annotated[
        list[str] | None, typer.Option(help="Column of texts; several by giving it again.", show_default="text")
    ] = None
    quoting: Quoting = None
    length: Annotated[int, typer.Option(help="Tokens of an input; texts are joined to fill it.", min=3)] = 128
    limit: Annotated[int, typer.Option(help="Most inputs of that length.", min=1)] = 512


@dataclass(frozen=True)
class Grouping:
    """How groups are chosen, by the fields of `SharingSettings`; None: not given."""

    threshold: Annotated[
        float | None, typer.Option(help="Least cosine inside a group.", min=-1, max=1, show_default="0.9")
    ] = None
    save: Annotated[
        float | None, typer.Option(help="Instead: least share of the model to save, such as 0.05.", min=0, max=1)
    ] = None
    of: Annotated[
        str | None, typer.Option(help="What --save is of: parameters or flops.", show_default="parameters")
    ] = None
    longest: Annotated[int, typer.Option(help="Most layers of a group.", min=2)] = 4


@app.command(
    epilog="Examples:\n\n    decant analyse sentence-transformers/all-mpnet-base-v2 --texts texts.txt --out maps\n\n"
    "    decant analyse MODEL --texts pairs.tsv --column sentence1 --column sentence2 --threshold 0.85\n\n"
    "    decant analyse MODEL --texts texts.txt --save 0.05 --of flops --json"
)
@grouped
def analyse(
    model: Annotated[
        str, typer.Argument(help="A hub id, a folder, or package:NAME/FOLDER; encoder or decoder.", metavar="MODEL")
    ],
    inputs: Inputs,
    out: Annotated[Path | None, typer.Option(help="Folder for attention.json and attention.png.")] = None,
    *,
    grouping: Grouping,
    as_json: AsJson = False,
) -> None:
    """Compare the attention maps of a model's layers, and choose those that could share one.

    A group of consecutive layers shares the map of its first; the first and the last layer of the model stay free.
    Also tells which layers change the token states least. Layers are counted from 0.
    """
    from pipeline.cli.analysis_table import analysis_json, analysis_lines, analysis_table, write_analysis
    from pipeline.measure.analyse import analyse as analysed
    from pipeline.screen.console import Screen
    from pipeline.texts.quoting import quoting_option

    told, watch = quoting_option(inputs.quoting), Screen(quiet=as_json).watch
    settings = sharing_settings(**asdict(grouping))
    if out is not None and out.exists() and not out.is_dir():  # before the long work
        raise InputError(f"--out {out} is a file; give a folder")
    columns = inputs.column or ["text"]
    found = analysed(model, inputs.texts, columns, inputs.length, inputs.limit, settings, watch, told)
    if out is not None:
        write_analysis(found, out)
    if as_json:
        print_json(analysis_json(found))
        return
    print_table(analysis_table(found))
    typer.echo("\n" + "\n".join(analysis_lines(found)))
    if out is not None:
        typer.echo(f"wrote {out / 'attention.json'} and {out / 'attention.png'}")


def sharing_settings(**options: float | str | None) -> SharingSettings:
    """Settings of automatic grouping from the command's options, by the settings' own field names; None: not given.

    Raises:
        InputError: options that do not go together.
    """
    from pydantic import ValidationError

    from students.sharing.sharing_settings import SharingSettings

    try:
        return SharingSettings.model_validate({name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        lines = [
            "".join(f"--{name} {one['input']}: " for name in one["loc"]) + one["msg"].removeprefix("Value error, ")
            for one in error.errors()
        ]
        raise InputError(*lines) from error
