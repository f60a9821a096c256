"""A clock that is set forward or back, by minutes or years: every time is run for once, and those missed by one run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from pipeline.schedule.serve import bring_forward, serve
from pipeline.schedule.store import Store
from tests.pipeline.schedule.conftest import schedule

pytest.importorskip("apscheduler", reason="the extra `ops` is not installed")
pytest.importorskip("sqlalchemy", reason="the extra `ops` is not installed")

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600.0
Turn = Callable[[float], bool]


class Clock(datetime):
    """A datetime whose now() is set."""

    at = 0.0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.fromtimestamp(cls.at, tz)


@pytest.fixture
def turn(store: Store, monkeypatch: pytest.MonkeyPatch) -> Turn:
    """Let APScheduler look once at a given time, seconds since 1970; whether it fired."""
    from apscheduler.executors.debug import DebugExecutor
    from apscheduler.schedulers.blocking import BlockingScheduler

    from pipeline.schedule.job_store import ScheduleJobStore

    class ByHand(BlockingScheduler):
        def _main_loop(self) -> None:
            return None

    fired: list[str] = []
    monkeypatch.setattr("apscheduler.schedulers.base.datetime", Clock)
    scheduler = ByHand(timezone="UTC", executors={"default": DebugExecutor()})
    scheduler.add_jobstore(ScheduleJobStore(store, fired.append), "schedules")
    scheduler.start()

    def look(at: float) -> bool:
        before = len(fired)
        Clock.at = at
        scheduler._process_jobs()
        assert len(fired) - before in (0, 1), "twice at once"
        return len(fired) > before

    return look


def seconds(*when: int) -> float:
    return datetime(*when, tzinfo=BERLIN).timestamp()


def hourly(at: datetime) -> bool:
    return at.minute == 30


def nightly(at: datetime) -> bool:
    """Half past two, in the first of two such hours; half past three where there is none."""
    gone = at.hour == 3 and (at - timedelta(hours=1)).astimezone(UTC).astimezone(BERLIN).hour != 2
    return at.minute == 30 and at.fold == 0 and (at.hour == 2 or gone)


def elapsed(at: datetime) -> bool:
    return at.timestamp() % HOUR == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("is_due", "values"),
    [
        (hourly, {"every_s": None, "cron": "30 * * * *"}),
        (nightly, {"every_s": None, "cron": "30 2 * * *"}),
        (elapsed, {"every_s": 3600}),
    ],
)
@pytest.mark.parametrize("begin", [(2026, 10, 24), (2027, 3, 27)], ids=["autumn", "spring"])
def test_every_time_is_run_for_once_and_missed_ones_by_one_run(
    begin: tuple[int, int, int], is_due: Callable[[datetime], bool], values: dict[str, object], seed: int, turn: Turn,
    store: Store, tmp_path: Path,
) -> None:  # fmt: skip
    clock = seconds(*begin)
    store.add(schedule(tmp_path, created=clock - HOUR, timezone="Europe/Berlin", **values))
    store.move("my", store.planned("my").next_run)
    generator, reached, fires = np.random.default_rng(seed), clock - HOUR, 0
    for _ in range(150):
        jump = generator.choice([0.0, 0.0, 0.0, -50.0, 400.0]) * 60 * generator.uniform(0, 1)
        clock = max(clock + 60 * float(generator.integers(1, 40)) + round(jump / 60) * 60, seconds(*begin))
        minutes = np.arange(reached + 60, clock + 1, 60)
        due = any(is_due(datetime.fromtimestamp(minute, BERLIN)) for minute in minutes)
        assert turn(clock) == due, datetime.fromtimestamp(clock, BERLIN)
        reached, fires = max(reached, clock), fires + due
    assert fires > 2


def test_a_jump_of_thirty_years_takes_no_longer_than_one_of_a_minute(turn: Turn, store: Store, tmp_path: Path) -> None:
    clock = seconds(2026, 11, 25)
    store.add(schedule(tmp_path, created=clock, every_s=1))
    started = time.monotonic()
    assert turn(clock + 30 * 365 * 86_400)
    assert time.monotonic() - started < 1
    assert 0 < store.planned("my").next_run - Clock.at <= 1


@pytest.mark.parametrize("values", [{"every_s": 3600}, {"every_s": None, "cron": "0 * * * *"}])
def test_a_clock_that_was_a_year_ahead_is_not_waited_for(
    values: dict[str, object], turn: Turn, store: Store, tmp_path: Path
) -> None:
    clock, said = seconds(2026, 11, 25) + 600, list[str]()
    store.add(schedule(tmp_path, created=clock - 600 + 365 * 86_400, **values))
    assert not turn(clock)
    bring_forward(store, clock, said.append)
    assert said == ["my: the clock was set back, so it is due again as by the clock"]
    assert not turn(clock + 2999)
    assert turn(clock + 3000)
    assert store.planned("my").next_run == clock + 3000 + HOUR


def test_what_has_had_its_run_is_not_run_again_after_a_small_step_back(
    turn: Turn, store: Store, tmp_path: Path
) -> None:
    three = seconds(2026, 11, 25, 3)
    store.add(schedule(tmp_path, created=three - HOUR, every_s=None, cron="0 3 * * *", timezone="Europe/Berlin"))
    assert turn(three + 600)
    bring_forward(store, three - 1200, lambda text: None)
    assert not turn(three + 60)
    assert turn(three + 86_400)


def test_a_schedule_that_is_added_after_the_clock_was_set_back_is_seen(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back, fired, stopped = threading.Event(), threading.Event(), threading.Event()
    offset = lambda: -HOUR if back.is_set() else 0.0
    true_time = time.time

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.fromtimestamp(true_time() + offset(), tz)

    monkeypatch.setattr("apscheduler.schedulers.base.datetime", Shifted)
    monkeypatch.setattr("pipeline.schedule.serve._fire", lambda *arguments: fired.set())
    scheduler = threading.Thread(target=serve, args=(store, url, tmp_path / "state", 1, lambda text: None, stopped))
    scheduler.start()
    try:
        time.sleep(1.5)  # it has looked
        back.set()
        store.add(schedule(tmp_path, created=true_time() - HOUR, every_s=1))
        assert fired.wait(10)
    finally:
        stopped.set()
        scheduler.join()
