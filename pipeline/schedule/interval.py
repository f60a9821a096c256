"""An interval trigger that a clock which jumps does not lead astray."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

from apscheduler.triggers.interval import IntervalTrigger

JUST_AFTER = timedelta(milliseconds=1)


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
