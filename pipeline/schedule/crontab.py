"""A cron trigger that an hour which the clocks repeat does not fire twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.triggers.cron import CronTrigger


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
            now = max(previous_fire_time.astimezone(UTC), now.astimezone(UTC)) + timedelta(milliseconds=1)
        due = super().get_next_fire_time(None, now.astimezone(self.timezone))
        while due is not None and due.fold and not self._every_hour:
            due = super().get_next_fire_time(None, due.astimezone(UTC) + timedelta(seconds=1))
        return due
