import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from decant.errors import DecantError, InputError
from pipeline.schedule.store import Planned, Store, opened
from tests.pipeline.schedule.conftest import schedule


def test_schedules_are_kept_between_openings(store: Store, url: str, tmp_path: Path) -> None:
    one = schedule(tmp_path, every_s=600, created=1_000_000.0)
    assert store.add(one) == 1_000_600.0
    with opened(url) as again:
        assert again.all_planned() == [Planned(one, 1_000_600.0, False)]
        with pytest.raises(InputError, match="there is a schedule my already; --replace it"):
            again.add(one)
        again.add(schedule(tmp_path, every_s=60, created=1_000_000.0), replace=True)
    assert store.planned("my").next_run == 1_000_060.0


def test_a_rest_is_not_made_up_for(store: Store, tmp_path: Path) -> None:
    store.add(schedule(tmp_path, every_s=600, created=1_000_000.0))
    store.pause("my", paused=True, at=1_000_100.0)
    store.move("my", 1_000_600.0)  # of a scheduler that had seen it before
    assert store.planned("my").paused
    store.pause("my", paused=False, at=1_002_500.0)
    assert (store.planned("my").paused, store.planned("my").next_run) == (False, 1_003_000.0)


def test_a_schedule_that_is_not_there_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="^there is no schedule my; there are: none yet$"):
        store.remove("my")
    store.add(schedule(tmp_path, name="other"))
    with pytest.raises(InputError, match="^there is no schedule my; there are: other$"):
        store.pause("my", paused=True, at=0.0)
    store.remove("other")
    assert store.all_planned() == []


def test_history(store: Store) -> None:
    first, second = store.begin("my", "schedule"), store.begin("other", "by hand")
    assert [run.state for run in store.runs()] == ["running", "running"]
    store.end(first, "refused", "too low", 2, "/log")
    found = store.runs("my")[0]
    assert (found.number, found.state, found.said, found.attempts, found.log) == (
        first,
        "refused",
        "too low",
        2,
        "/log",
    )
    assert found.ended is not None
    assert [run.number for run in store.runs(state="running")] == [second]
    assert [run.number for run in store.runs(count=1)] == [second]


def test_what_was_settled_is_kept(store: Store, tmp_path: Path) -> None:
    assert store.settled("my") is None
    store.add(schedule(tmp_path))
    store.settle("my", {"recipe": "00"})
    assert store.settled("my") == {"recipe": "00"}
    store.settle("my", None)
    assert store.settled("my") is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "the database cannot be opened"),
        ("sqlite:////proc/none/x.sqlite", "No such file or directory|cannot be opened"),
        ("postgresql+nodriver://me:secret@host/x", "the database cannot be opened|driver is not installed"),
    ],
)
def test_a_database_that_cannot_be_opened_is_told_without_its_password(url: str, said: str) -> None:
    pytest.importorskip("sqlalchemy", reason="the extra `ops` is not installed")
    with pytest.raises((InputError, OSError), match=said) as caught:
        Store(url)
    assert "secret" not in str(caught.value)


def test_a_connection_that_was_cut_meanwhile_is_made_again(store: Store) -> None:
    number = store.begin("my", "schedule")
    with store._engine.connect() as connection:
        pooled = connection.connection.dbapi_connection
    pooled.close()  # as a server leaves it that was started again
    store.end(number, "done")
    assert [run.state for run in store.runs()] == ["done"]


def test_a_database_that_fails_is_one_line(store: Store, url: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.execute("drop table decant_runs")
    with pytest.raises(DecantError, match=r"^--store: the database fails \(no such table: decant_runs\); is it there"):
        store.begin("my", "schedule")


def test_nothing_in_the_database_is_a_pickle(store: Store, url: str, tmp_path: Path) -> None:
    store.add(schedule(tmp_path))
    raw = Path(url.removeprefix("sqlite:///")).read_bytes()
    assert b'"name":"my"' in raw
    assert b"apscheduler" not in raw
