"""Schedules: cron, intervals, durations, time zones, and a schedule as the database holds it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from pipeline.schedule.spec import Schedule, parse_duration, schedule_of, spoken
from pipeline.schedule.triggers import next_time
from tests.fuzz.bounds import works_or_refuses
from tests.fuzz.mutate import changed
from tests.fuzz.target import Target

FIELDS = (
    "*", "*", "*", "0", "*/5", "*/0", "1-5", "5-1", "1,2", "60", "-1", "*/", "/", "a", "mon", "MON-fri", "sun-1", "7",
    "0-7/2", "L", "last", "1st mon", "?", "", "0x1", "１", "²", "1-", "*/99999999999", "9" * 20, "9" * 5000, "31", "2/",
    "*/1/2", "1-5/2-3", "#", "jan", "JAN-dec", "٣", "*,*", "1,", "--", "\0", "3-²", "0-6/²", "xmas",
)  # fmt: skip
ZONES = (
    "UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "", "../../etc/passwd",
    "/etc/passwd", "\0", "Europe", "a" * 5000, "posixrules", "tzdata.zi", ".", "Europe/", "\ud800",
)  # fmt: skip
TIMES = (0.0, 1.7e9, 4e9, -1e9)
BASE: dict[str, Any] = {"name": "a", "recipe": "r", "run": "x", "timezone": "UTC", "created": 0.0}
WHOLE = BASE | {
    "every_s": 60, "overrides": ["a=b"], "retries": 1, "backoff_s": 1.0, "promote_to": "x", "pairs": "p", "cron": None,
}  # fmt: skip


def due(values: dict[str, Any], after: float) -> None:
    """When a schedule of these values is due, or why there is none."""
    schedule = works_or_refuses(schedule_of, values, lines=20)
    if isinstance(schedule, Schedule):
        assert schedule.when
        at = works_or_refuses(next_time, schedule, after)
        assert at is None or at >= after


def duration(text: str) -> None:
    """Seconds of a text, and what people are told of them."""
    seconds = works_or_refuses(parse_duration, text, "--every")
    if seconds is not None:
        assert round(seconds) >= 0
        assert spoken(seconds)


def schedule_targets() -> list[Target]:
    """Targets that write nothing."""
    field = st.one_of(st.sampled_from(FIELDS), st.text("0123456789*/,-?L#abcmonsut ²٣", max_size=6))
    five = st.lists(field, min_size=5, max_size=5)
    crons = st.tuples(
        st.one_of(five, five, st.lists(field, max_size=7)), st.sampled_from(ZONES), st.sampled_from(TIMES)
    )
    whole = changed(WHOLE).filter(lambda value: isinstance(value, dict))
    durations = st.one_of(st.text("0123456789.smhd e-+٣", max_size=12), st.sampled_from(["9" * 5000, "1" * 400 + "d"]))
    return [
        Target(
            "cron", crons, lambda c: due({**BASE, "cron": " ".join(c[0]), "timezone": c[1]}, c[2]), KEPT_CRONS, 300, 700
        ),
        Target("schedule", whole, lambda values: due(values, 1e9), KEPT_SCHEDULES, 80, 300),
        Target("duration", durations, duration, ["9" * 5000, "1" * 400 + "d"], 300, 1500),
    ]


KEPT_SCHEDULES = [WHOLE | {"created": 2**63}, WHOLE | {"every_s": 2**63}]
KEPT_CRONS = [(["*", "*", "*", "*", "3-²"], "UTC", 0.0), (["*", "*", "*", "*", "*/²"], "UTC", 0.0)]
