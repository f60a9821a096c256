from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from decant.errors import InputError
from pipeline.schedule.triggers import next_time
from tests.pipeline.schedule.conftest import schedule

pytest.importorskip("apscheduler", reason="the extra `ops` is not installed")


def due(folder: Path, cron: str, after: datetime, count: int = 1) -> list[datetime]:
    """The next times, in the zone of `after`."""
    zone = after.tzinfo
    one = schedule(folder, every_s=None, cron=cron, timezone=str(zone))
    times, moment = [], after.timestamp()
    for _ in range(count):
        moment = next_time(one, moment + 1e-3)
        times.append(datetime.fromtimestamp(moment, zone))
    return times


def days(folder: Path, cron: str, count: int) -> list[str]:
    """Weekdays of the next times after Wednesday, 25 November 2026."""
    return [time.strftime("%a %d") for time in due(folder, cron, datetime(2026, 11, 25, tzinfo=ZoneInfo("UTC")), count)]


def test_weekdays_are_counted_as_crontab_counts_them(tmp_path: Path) -> None:
    assert days(tmp_path, "0 3 * * 0", 2) == ["Sun 29", "Sun 06"]
    assert days(tmp_path, "0 3 * * 7", 1) == ["Sun 29"]
    assert days(tmp_path, "0 3 * * 1-5", 4) == ["Wed 25", "Thu 26", "Fri 27", "Mon 30"]
    assert days(tmp_path, "0 3 * * mon,SAT", 2) == ["Sat 28", "Mon 30"]
    assert days(tmp_path, "0 3 * * */3", 3) == ["Wed 25", "Sat 28", "Sun 29"]
    assert days(tmp_path, "0 3 * * 5-7", 3) == ["Fri 27", "Sat 28", "Sun 29"]


def test_day_of_month_or_weekday_as_in_crontab(tmp_path: Path) -> None:
    assert days(tmp_path, "0 3 1 * 5", 4) == ["Fri 27", "Tue 01", "Fri 04", "Fri 11"]


def test_steps_and_lists(tmp_path: Path) -> None:
    begin = datetime(2026, 11, 25, 22, 50, tzinfo=ZoneInfo("UTC"))
    assert [f"{time:%H:%M}" for time in due(tmp_path, "*/20 */6 * * *", begin, 3)] == ["00:00", "00:20", "00:40"]
    assert [f"{time:%d.%m.}" for time in due(tmp_path, "0 0 29 FEB *", begin, 1)] == ["29.02."]


def test_a_zone_moves_with_its_clocks(tmp_path: Path) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    spring = due(tmp_path, "0 3 * * *", datetime(2027, 3, 27, tzinfo=berlin), 3)
    assert [time.astimezone(UTC).strftime("%d %H") for time in spring] == ["27 02", "28 01", "29 01"]


def test_a_time_that_comes_twice_or_never_is_due_once_a_day(tmp_path: Path) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    autumn = due(tmp_path, "30 2 * * *", datetime(2026, 10, 24, tzinfo=berlin), 3)
    assert [time.strftime("%d") for time in autumn] == ["24", "25", "26"]
    hourly = due(tmp_path, "30 * * * *", datetime(2026, 10, 25, 1, 0, tzinfo=berlin), 4)
    assert [f"{time.astimezone(UTC):%H:%M}" for time in hourly] == ["23:30", "00:30", "01:30", "02:30"]
    spring = due(tmp_path, "30 2 * * *", datetime(2027, 3, 27, tzinfo=berlin), 3)
    assert [time.strftime("%d") for time in spring][0] == "27"
    assert len({time.strftime("%d") for time in spring}) == 3


def test_intervals_are_counted_from_when_the_schedule_was_added(tmp_path: Path) -> None:
    one = schedule(tmp_path, every_s=600, created=1_000_000.0)
    assert [next_time(one, after) for after in (1_000_000.0, 1_000_601.0, 1_001_200.0)] == [
        1_000_600.0, 1_001_200.0, 1_001_200.0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("0 3 * *", "five fields are wanted .*, not 4"),
        ("60 3 * * *", "Error validating expression"),
        ("0 3 * * 8", "weekday '8' is none of 0 to 7, sun to sat"),
        ("0 3 * * fri-mon", "weekday 'fri-mon' cannot be read"),
        ("0 3 * * */0", r"weekday '\*/0' cannot be read"),
        ("x 3 * * *", "Unrecognized expression"),
        ("٤ 3 * * *", "only ASCII's digits and letters are read"),
        ("0 3 * * ²", "only ASCII's digits and letters are read"),
    ],
)
def test_cron_that_cannot_be_read_is_refused(tmp_path: Path, cron: str, said: str) -> None:
    with pytest.raises(InputError, match=f"--cron .*{said}.*every night at three is '0 3"):
        next_time(schedule(tmp_path, every_s=None, cron=cron), 0.0)
