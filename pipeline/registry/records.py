"""What a registry writes down, each a small JSON file: the pointer, a release, an event of its history."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

EventKind = Literal["promoted", "refused", "unchanged", "rolled back", "announced", "announcement failed"]
VERSION = re.compile(r"^\d{6}-[0-9a-f]{12}$")
Version = Annotated[str, StringConstraints(pattern=VERSION.pattern)]


class Gate(BaseModel, frozen=True, extra="forbid"):
    """One gate: what was found, what was allowed, and by how much it was missed."""

    gate: str
    passed: bool
    said: str = Field(description="one clause for a person, figures included")
    value: float | None = Field(None, description="in the gate's own unit; None: not a figure, or not measured")
    limit: float | None = None


class Timed(BaseModel, frozen=True, extra="forbid"):
    """One artifact's figures on the day's evaluation data."""

    accuracy: float = Field(description="the metric, a fraction")
    ci95: tuple[float, float]
    latency_ms: float = Field(description="one text, median")
    texts_per_second: float
    size_mib: float = Field(description="of the graphs")
    unsteady: bool = Field(
        False, exclude_if=lambda unsteady: not unsteady,
        description="latency_ms is not to be trusted: the machine was busy, or the rounds do not agree",
    )  # fmt: skip


class Today(BaseModel, frozen=True, extra="forbid"):
    """Candidate and deployed artifact on the same pairs, timed in turns."""

    pairs_file: str
    pairs_sha256: str
    pairs: int
    counted: str | None = Field(
        None, exclude_if=lambda what: what is None, description="what `pairs` counts: pairs, queries or examples"
    )
    metric: str
    candidate: Timed
    deployed: Timed | None = None
    difference: float | None = Field(None, description="mean of the resamples' differences, a fraction")
    difference_low: float | None = Field(None, description="lower end of its interval")
    difference_high: float | None = None
    level: float = Field(description="share inside that interval")
    machine: str


class Pointer(BaseModel, frozen=True, extra="forbid"):
    """The file `current`: the deployed version, and those that a rollback would go back to, the nearest last."""

    version: Version
    since: str
    before: tuple[Version, ...] = ()


class Release(BaseModel, frozen=True, extra="forbid"):
    """One version: what it is, and what it was let in on."""

    version: Version
    released: str = Field(description="UTC, ISO 8601")
    name: str
    digest: str = Field(description="sha256 over the manifest's own list of sha256")
    manifest_sha256: str = Field(description="of decant.json, byte for byte")
    recipe_sha256: str | None = None
    gates: tuple[Gate, ...] = ()
    today: Today | None = None
    signature: str | None = Field(None, description="ed25519 over the digest of the manifest, base64")


class Event(BaseModel, frozen=True, extra="forbid"):
    """One line of the history."""

    time: str
    event: EventKind
    candidate: str = Field(description="the artifact's name")
    version: Version | None = None
    replaced: Version | None = None
    why: str = ""
    gates: tuple[Gate, ...] = ()
    today: Today | None = None


def now() -> str:
    """UTC, ISO 8601, to the microsecond, so that events sort."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
