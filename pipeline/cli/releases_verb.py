"""`decant releases`: what is deployed, what was, and what was refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from decant.errors import InputError
from decant.secrets import redacted
from decant.table import MISSING, Table, line, number_columns, text_columns
from pipeline.cli.options import AsJson, RegistryPlace, print_json, print_table

if TYPE_CHECKING:
    from pipeline.registry.records import Event
    from pipeline.registry.registry import Registry

app = typer.Typer()
MINUTE = 16  # characters of a time up to its minute


@app.command(epilog="Examples:\n\n    decant releases registry\n\n    decant releases s3://bucket/models --json")
def releases(
    registry: RegistryPlace,
    events: Annotated[int, typer.Option(help="How many of the last events to show.", min=0)] = 10,
    verify: Annotated[
        Path | None, typer.Option(help="Public ed25519 key (PEM); every release must be signed by it, and as signed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is deployed, what was, and what was refused and why."""
    from pipeline.registry.signature import check_signatures

    held = check_signatures(registry, verify) if verify is not None else None
    if as_json:
        print_json(releases_json(registry))
        return
    print_table(releases_table(registry))
    if events:
        typer.echo("")
        for event in history_lines(registry, events):
            typer.echo(event)
    if verify is not None:
        typer.echo(f"\n{held} release{'s' if held != 1 else ''} signed by {verify.name}, every file as signed")


def releases_json(location: str) -> dict[str, Any]:
    """Pointer, releases and history, for a script.

    Raises:
        InputError: there is no registry.
    """
    registry = _known(location)
    pointer = registry.current()
    return {
        "registry": redacted(location),
        "current": pointer.model_dump(mode="json") if pointer is not None else None,
        "releases": [release.model_dump(mode="json") for release in registry.releases()],
        "history": [event.model_dump(mode="json") for event in registry.history()],
    }


def releases_table(location: str) -> Table:
    """Every release, the newest first, with the figures that it was let in on; * marks the deployed one.

    Raises:
        InputError: there is no registry.
    """
    from pipeline.report.figures import difference, points, significant

    registry = _known(location)
    pointer = registry.current()
    figures, lines = number_columns("accuracy", "difference", "ms/text", "MiB"), []
    for release in reversed(registry.releases()):
        mark, today = "*" if pointer is not None and release.version == pointer.version else "", release.today
        cells = [MISSING] * 4
        if today is not None:
            own, before = today.candidate, today.deployed
            gained = difference(own.accuracy, before.accuracy) if before is not None else MISSING
            cells = [points(own.accuracy), gained]
            cells += [significant(own.latency_ms), significant(own.size_mib)]
        lines.append(line(mark, release.version, _minute(release.released), release.name, *cells))
    return Table((*text_columns("", "version", "released (UTC)", "name"), *figures), tuple(lines))


def history_lines(location: str, count: int) -> list[str]:
    """The last events, the oldest of them first, a line each.

    Raises:
        InputError: there is no registry.
    """
    return [_line(event) for event in _known(location).history()[-count:]]


def _line(event: Event) -> str:
    said = f"{_minute(event.time)}  {event.event} {event.candidate}"
    said += f" {event.version}" if event.version else ""
    said += f" instead of {event.replaced}" if event.replaced else ""
    return said + (f": {event.why}" if event.why else "")


def _known(location: str) -> Registry:
    from pipeline.registry.registry import Registry

    registry = Registry.at(location)
    if registry.current() is None and not registry.storage.names("history"):
        raise InputError(f"{location} is no registry yet; `decant promote ARTIFACT --to {location}` begins one")
    return registry


def _minute(time: str) -> str:
    return time[:MINUTE].replace("T", " ")
