"""APScheduler's triggers, not led astray by a clock that jumps or an hour that comes twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

JUST_AFTER = timedelta(milliseconds=1)


class Crontab(CronTrigger):
    """APScheduler's, but for the hour that comes twice in autumn.

    A schedule of fixed hours is due in the first of the two, as in crontab; one of every hour, in both.

    Args:
        hour: as CronTrigger takes it.
        fields: the other fields, and the time zone.
    """

    def __init__(self, hour: str, **fields: Any) -> None:
        super().__init__(hour=hour, **fields)
        self._every_hour = hour.startswith("*")

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """When it is due next; None: never again."""
        if previous_fire_time is not None:  # in one step, however many times lie between: they are made up for by one
            now = max(previous_fire_time.astimezone(UTC), now.astimezone(UTC)) + JUST_AFTER
        due = super().get_next_fire_time(None, now.astimezone(self.timezone))
        while due is not None and due.fold and not self._every_hour:
            due = super().get_next_fire_time(None, due.astimezone(UTC) + timedelta(seconds=1))
        return due


class Interval(IntervalTrigger):
    """APScheduler's, but its times lie on one grid, and the next one is later than both the last and now.

    So a jump forward is made up for by one run, found in one step however far it was; and where the clock stood ahead
    when the schedule was made, its first time is not waited for.
    """

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        if previous_fire_time is not None:
            now = max(previous_fire_time, now) + JUST_AFTER
        start = self.start_date.timestamp()
        away = start - now.timestamp()
        if 0 <= away <= self.interval_length:
            return datetime.fromtimestamp(start, self.timezone)
        return datetime.fromtimestamp(start + ceil(-away / self.interval_length) * self.interval_length, self.timezone)
