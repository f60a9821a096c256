"""`decant rollback`: an earlier version, deployed again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import AsJson, RegistryPlace, print_json

app = typer.Typer()


@app.command(
    epilog="Examples:\n\n    decant rollback registry\n\n    decant rollback registry --to 000002-3fa94c21b07d\n\n"
    "    decant rollback registry --verify key.pub.pem"
)
def rollback(
    registry: RegistryPlace,
    to: Annotated[str | None, typer.Option(help="The version to deploy again.", show_default="the one before")] = None,
    verify: Annotated[
        Path | None, typer.Option(help="Public ed25519 key (PEM); the version must be signed by it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Deploy an earlier version again, after checking its files."""
    from pipeline.registry.promote import roll_back

    was, become = roll_back(registry, to, verify)
    if as_json:
        print_json({"was": was.version, "current": become.version})
        return
    typer.echo(f"{become.version} is deployed again, instead of {was.version}")
