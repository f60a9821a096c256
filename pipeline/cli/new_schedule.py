"""`decant schedule add`: a schedule of the command's options."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decant.errors import InputError
from pipeline.recipe.yaml_text import YamlError, read_yaml
from pipeline.schedule.spec import Schedule, absolute, absolute_location, parse_duration, schedule_of
from pipeline.schedule.triggers import INSTALL
from pipeline.schedule.work import check_promotion

if TYPE_CHECKING:
    from pipeline.cli.schedule_verbs import ScheduleOptions


def new_schedule(recipe: Path, options: ScheduleOptions) -> Schedule:
    """A schedule from the command's options; the recipe's own name where none is given.

    Raises:
        InputError: an option cannot be used, or the recipe or the pairs are not there.
    """
    named, every, to, pairs = _name_in(recipe), options.every, options.promote_to, options.pairs
    values: dict[str, Any] = {
        "name": options.name or named, "recipe": absolute(recipe), "overrides": tuple(options.set_ or ()),
        "run": absolute(options.out or Path("runs") / named), "cron": options.cron,
        "every_s": round(parse_duration(every, "--every")) if every is not None else None,
        "timezone": options.timezone or local_zone(), "created": time.time(),
        "promote_to": absolute_location(to) if to is not None else None,
        "pairs": absolute(pairs) if pairs is not None else None,
        "retries": options.retries, "backoff_s": parse_duration(options.backoff, "--backoff"),
    }  # fmt: skip
    if pairs is not None and not Path(values["pairs"]).exists():
        raise InputError(f"--pairs {pairs}: no such file or folder")
    if pairs is not None and to is None:
        raise InputError("--pairs are what a promotion is measured on; give --promote-to REGISTRY too")
    check_promotion(values)
    return schedule_of(values)


def local_zone() -> str:
    """IANA name of this machine's time zone.

    Raises:
        InputError: tzlocal, which APScheduler brings along, is not installed.
    """
    try:
        from tzlocal import get_localzone_name
    except ImportError as error:
        raise InputError(INSTALL.format("apscheduler")) from error
    return str(get_localzone_name() or "UTC")


def _name_in(recipe: Path) -> str:
    """The recipe's name; the rest of it is checked by the run, and by `decant validate`."""
    try:
        content, _ = read_yaml(recipe)
    except YamlError as error:
        raise InputError(f"{recipe} is no recipe: not YAML in UTF-8; `decant validate {recipe}` tells more") from error
    name = content.get("name") if isinstance(content, dict) else None
    if not isinstance(name, str) or not name:
        raise InputError(f"{recipe} is no recipe: it has no name; `decant validate {recipe}` tells more")
    return name
