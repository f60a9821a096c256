"""When a schedule is due: APScheduler's triggers, read as crontab reads its five fields."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from decant.errors import InputError
from pipeline.schedule.spec import Schedule

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")  # crontab: 0 and 7 are Sunday
INSTALL = "schedules need {}, which is not installed; pip install 'decant[ops]'"


def trigger_of(schedule: Schedule) -> Any:
    """The schedule's trigger.

    Cron: where both day of month and weekday are restricted, either suffices, as in crontab.

    Raises:
        InputError: the cron fields cannot be read, or APScheduler is not installed.
    """
    try:
        from apscheduler.triggers.combining import OrTrigger

        from pipeline.schedule.clock_jumps import Crontab, Interval
    except ImportError as error:
        raise InputError(INSTALL.format("apscheduler")) from error
    zone = ZoneInfo(schedule.timezone)
    if schedule.every_s is not None:
        begin = datetime.fromtimestamp(schedule.created + schedule.every_s, zone)
        return Interval(seconds=schedule.every_s, start_date=begin, timezone=zone)
    if not str(schedule.cron).isascii():  # APScheduler takes the digits of any script
        raise InputError(
            f"--cron {schedule.cron}: only ASCII's digits and letters are read; every night at three is '0 3 * * *'"
        )
    fields = str(schedule.cron).split()
    if len(fields) != 5:
        raise InputError(
            f"--cron {schedule.cron}: five fields are wanted (minute, hour, day of month, month, weekday), "
            f"not {len(fields)}; every night at three is '0 3 * * *'"
        )
    minute, hour, day, month, weekday = fields
    common: dict[str, Any] = {"minute": minute, "hour": hour, "month": month.lower(), "timezone": zone}
    try:
        days = _weekdays(weekday)
        if day != "*" and days != "*":
            return OrTrigger([Crontab(day=day, **common), Crontab(day_of_week=days, **common)])
        return Crontab(day=day, day_of_week=days, **common)
    except (ValueError, IndexError) as error:
        raise InputError(f"--cron {schedule.cron}: {error}; every night at three is '0 3 * * *'") from error


def next_time(schedule: Schedule, after: float) -> float | None:
    """When the schedule is due next, seconds since 1970 UTC; None: never again.

    Args:
        after: seconds since 1970 UTC.
    """
    due = trigger_of(schedule).get_next_fire_time(None, datetime.fromtimestamp(after, UTC))
    return due.timestamp() if due is not None else None


def _weekdays(field: str) -> str:
    """Crontab's weekdays as names: APScheduler counts from Monday.

    Raises:
        ValueError: a day outside 0..7, an unknown name, or a step below 1.
    """
    if field == "*":
        return field
    days: list[int] = []
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        first, dash, last = ("0", "-", "6") if span == "*" else span.partition("-")
        begin = _weekday(first)
        end = _weekday(last) if dash else 6 if step else begin
        if end < begin or (step and (not step.isdigit() or int(step) < 1)):
            raise ValueError(f"weekday {part!r} cannot be read")
        days += range(begin, end + 1, int(step or 1))
    return ",".join(dict.fromkeys(WEEKDAYS[day] for day in days))


def _weekday(name: str) -> int:
    if name.isdigit() and int(name) < len(WEEKDAYS):
        return int(name)
    if name[:3] not in WEEKDAYS:
        raise ValueError(f"weekday {name!r} is none of 0 to 7, sun to sat")
    return WEEKDAYS.index(name[:3])
