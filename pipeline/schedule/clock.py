"""What a clock that was set back does to schedules: none waits for a time that its next ones have long passed."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.schedule.store import Store
from pipeline.schedule.triggers import next_time

JUST_AFTER_S = 1e-3


def bring_forward(store: Store, now: float, say: Callable[[str], None]) -> None:
    """Let schedules that are due later than the second time from now be due at the first.

    One time may be left out, since after a small step back it has had its run already; by more of them the clock stood
    ahead, for a day or a year, and what is due by it now would wait as long.

    Args:
        now: seconds since 1970 UTC.
    """
    for one in store.all_planned():
        first = next_time(one.schedule, now)
        second = next_time(one.schedule, first + JUST_AFTER_S) if first is not None else None
        if one.paused or one.next_run is None or second is None or one.next_run <= second:
            continue
        store.move(one.schedule.name, first)
        say(f"{one.schedule.name}: the clock was set back, so it is due again as by the clock")
