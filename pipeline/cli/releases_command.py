"""`decant releases` and `decant rollback`: what is deployed, what was, what was refused, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from decant.errors import InputError
from decant.secrets import redacted
from decant.table import MISSING, Table, line, number_columns, text_columns
from pipeline.registry.records import Event, Pointer, now
from pipeline.registry.registry import Registry
from pipeline.registry.signature import voucher
from pipeline.report.figures import or_missing, points, signed_points, significant

MINUTE = 16  # characters of a time up to its minute


def roll_back(location: str, to: str | None, key: Path | None = None) -> tuple[Pointer, Pointer]:
    """Deploy an earlier version again, and write that into the history.

    Args:
        location: the registry's folder or URL.
        to: the version; None: the one that was deployed before.
        key: PEM file of the public key that must have signed it; None: none is asked for.

    Returns:
        The pointer that was, and the pointer that is.

    Raises:
        InputError: there is nothing to go back to, or that version is not whole.
        GateError: the key did not sign that version.
    """
    registry = Registry.at(location)
    vouch = voucher(key) if key is not None else None
    with registry.storage.locked():
        was, become = registry.rollback(to, vouch)
        name = registry.release(become.version).name
        registry.note(
            Event(time=now(), event="rolled back", candidate=name, version=become.version, replaced=was.version)
        )
    return was, become


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
    registry = _known(location)
    pointer = registry.current()
    figures, lines = number_columns("accuracy", "difference", "ms/text", "MiB"), []
    for release in reversed(registry.releases()):
        mark, today = "*" if pointer is not None and release.version == pointer.version else "", release.today
        cells = [MISSING] * 4
        if today is not None:
            own, gained = today.candidate, today.difference
            cells = [points(own.accuracy), or_missing(gained, signed_points)]
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
    registry = Registry.at(location)
    if registry.current() is None and not registry.storage.names("history"):
        raise InputError(f"{location} is no registry yet; `decant promote ARTIFACT --to {location}` begins one")
    return registry


def _minute(time: str) -> str:
    return time[:MINUTE].replace("T", " ")
