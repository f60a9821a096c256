"""What came of loading an artifact in one runtime: an entry of decant.json's certificate."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Status = Literal["agrees", "differs", "rules hold", "rules broken", "not run", "cannot run"]


class RuntimeRecord(BaseModel, frozen=True, extra="forbid"):
    """One runtime's result; figures are there only where it ran."""

    status: Status = Field(
        description="agrees or differs: it ran; rules: of a server that was not started; cannot run: it never can."
    )
    date: str = Field(description="UTC, ISO 8601.")
    note: str | None = Field(default=None, description="Why it did not run, what differs, or which rules were checked.")
    versions: dict[str, str] = Field(default={}, description="Of the packages that ran it.")
    environment: str | None = Field(default=None, description="Where it ran.")
    texts: int | None = Field(default=None, ge=1, description="Texts compared.")
    min_cosine: float | None = Field(default=None, ge=-1, le=1, description="Lowest cosine to our own session.")
    mean_cosine: float | None = Field(default=None, ge=-1, le=1, description="Mean cosine to our own session.")
    required_min_cosine: float | None = Field(default=None, ge=-1, le=1, description="Below it, the status is differs.")
    ms_per_text: float | None = Field(default=None, gt=0, description="Median for one sentence, in milliseconds.")
    texts_per_second: float | None = Field(default=None, gt=0, description="Of the texts compared, in batches of 32.")
    machine: str | None = Field(default=None, description="Processor and threads.")

    @property
    def ran(self) -> bool:
        """Whether the runtime itself gave vectors."""
        return self.status in ("agrees", "differs")
