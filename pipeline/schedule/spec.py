"""What a schedule says: which recipe, when, where its result goes, and how often it is tried."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from decant.errors import InputError
from decant.files import expand_user

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
CENTURY_S = 100 * 366 * 86_400  # no calendar ends within it
OPTIONS = {"every_s": "--every", "backoff_s": "--backoff", "overrides": "--set", "run": "--out"}


class Schedule(BaseModel, frozen=True, extra="forbid"):
    """One schedule. Paths are absolute, so that it does not matter where the scheduler is started."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="also the folder of its logs")
    recipe: str = Field(description="the recipe's file")
    overrides: tuple[str, ...] = Field((), description="key=value over the recipe's")
    run: str = Field(description="the run's folder")
    cron: str | None = Field(None, description="minute, hour, day of month, month, weekday, as crontab has them")
    every_s: int | None = Field(None, ge=1, le=CENTURY_S, description="seconds from one run to the next")
    timezone: str = Field(description="IANA name, such as Europe/Berlin, that cron is read in")
    created: float = Field(ge=0, le=1e11, description="seconds since 1970 UTC; intervals are counted from here")
    promote_to: str | None = Field(None, description="registry that the run's pick is promoted to")
    pairs: str | None = Field(
        None, description="labelled pairs, or a folder as BEIR has it, for the promotion; default: the recipe's"
    )
    retries: int = Field(2, ge=0, le=100, description="more tries after a defect or a kill; bad input is not retried")
    backoff_s: float = Field(60.0, ge=0, le=86_400, description="seconds before the first retry; doubled each time")

    @field_validator("timezone")
    @classmethod
    def _a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("no such time zone; give an IANA name, such as Europe/Berlin") from error
        return value

    @model_validator(mode="after")
    def _one_trigger(self) -> Self:
        if (self.cron is None) == (self.every_s is None):
            raise ValueError("give either --cron or --every")
        return self

    @property
    def when(self) -> str:
        """For people."""
        return f"cron {self.cron} ({self.timezone})" if self.cron is not None else f"every {spoken(self.every_s or 0)}"


def schedule_of(values: Mapping[str, Any]) -> Schedule:
    """A schedule from the command's options.

    Raises:
        InputError: all that is wrong, a line each.
    """
    try:
        return Schedule.model_validate(values)
    except ValidationError as error:
        raise InputError(*(_line(one) for one in error.errors())) from error


def parse_duration(text: str, option: str) -> float:
    """Seconds of 90, 90s, 15m, 2h or 1d.

    Raises:
        InputError: it is none of these, or more than a century.
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd]?)", text.strip())
    if found is None:
        raise InputError(f"{option} {text}: write a number and s, m, h or d, such as 90s, 15m, 2h or 1d")
    seconds = float(found[1]) * SECONDS[found[2] or "s"]
    if seconds > CENTURY_S:
        raise InputError(f"{option} {text}: more than a century; write at most 36600d")
    return seconds


def spoken(seconds: float) -> str:
    """Seconds in the largest unit that they are a whole number of."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % SECONDS[unit] == 0:
            return f"{seconds / SECONDS[unit]:g} {unit}"
    return f"{seconds:g} s"


def absolute(path: Path) -> str:
    """A path that holds wherever it is read."""
    return str(expand_user(path).absolute())


def absolute_location(location: str) -> str:
    """A registry's folder made absolute; a URL as it is."""
    return location if "://" in location else absolute(Path(location))


def _line(detail: Any) -> str:
    field = str(detail["loc"][0]) if detail["loc"] else ""
    message = str(detail["msg"]).removeprefix("Value error, ")
    if not field:
        return message
    option = OPTIONS.get(field, "--" + field.replace("_", "-"))
    return f"{option} {detail.get('input')}: {message}"
