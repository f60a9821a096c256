"""Schedules and what came of their runs, in SQLite or any database that SQLAlchemy reaches. JSON and figures only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decant.errors import InputError, TemporaryError, one_line
from pipeline.schedule.spec import Schedule
from pipeline.schedule.triggers import INSTALL, next_time

RUNNING, LOST, SKIPPED, LOST_AT_ONCE = "running", "lost", "skipped", 10_000
LOST_SAID = "its process died without a word; what it had finished is used again"


@dataclass(frozen=True)
class Planned:
    """A schedule and where it stands."""

    schedule: Schedule
    next_run: float | None
    """Seconds since 1970 UTC; None: never again."""
    paused: bool


@dataclass(frozen=True)
class Run:
    """One line of the history. Times are seconds since 1970 UTC."""

    number: int
    name: str
    cause: str
    started: float
    ended: float | None
    state: str
    said: str
    attempts: int
    log: str


class Store:
    """The database behind a URL.

    Args:
        url: such as sqlite:////var/lib/decant/schedules.sqlite or postgresql+psycopg://host/name.

    Raises:
        InputError: it cannot be opened, or SQLAlchemy or the database's driver is not installed.

    Each function raises a TemporaryError where the database cannot be reached any more, or refuses to be written.
    """

    def __init__(self, url: str) -> None:
        try:
            import sqlalchemy as sql
        except ImportError as error:
            raise InputError(INSTALL.format("sqlalchemy")) from error
        self._sql: Any = sql
        tables = sql.MetaData()
        self._schedules = sql.Table(
            "decant_schedules", tables,
            sql.Column("name", sql.String(64), primary_key=True),
            sql.Column("schedule", sql.Text, nullable=False),
            sql.Column("next_run", sql.Double, index=True),
            sql.Column("paused", sql.Boolean, nullable=False),
            sql.Column("settled", sql.Text),
        )  # fmt: skip
        self._runs = sql.Table(
            "decant_runs", tables,
            sql.Column("number", sql.Integer, primary_key=True, autoincrement=True),
            sql.Column("name", sql.String(64), nullable=False, index=True),
            sql.Column("cause", sql.String(32), nullable=False),
            sql.Column("started", sql.Double, nullable=False),
            sql.Column("ended", sql.Double),
            sql.Column("state", sql.String(32), nullable=False),
            sql.Column("said", sql.Text, nullable=False),
            sql.Column("attempts", sql.Integer, nullable=False),
            sql.Column("log", sql.Text, nullable=False),
        )  # fmt: skip
        try:
            parsed = sql.make_url(url)
            if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
                Path(str(parsed.database)).expanduser().parent.mkdir(parents=True, exist_ok=True)
            wait = {"timeout": 30} if parsed.get_backend_name() == "sqlite" else {}
            # a run lasts hours: a connection that a restart of the database has cut meanwhile is made again
            self._engine = sql.create_engine(parsed, connect_args=wait, pool_pre_ping=True)
            tables.create_all(self._engine)
        except ImportError as error:
            raise InputError(f"--store: the database's driver is not installed ({error}); pip install it") from error
        except sql.exc.SQLAlchemyError as error:  # its text may hold the URL, and with that a password
            away = isinstance(error, sql.exc.OperationalError) and parsed.get_backend_name() != "sqlite"
            raise (TemporaryError if away else InputError)(
                f"--store: the database cannot be opened ({_said(error)}); give sqlite:///FILE or a URL"
            ) from error

    def add(self, schedule: Schedule, *, replace: bool = False) -> float | None:
        """Keep a schedule; returns when it is due first.

        Raises:
            InputError: there is one of its name already, or its trigger cannot be read.
        """
        due = next_time(schedule, schedule.created)
        row = {"schedule": schedule.model_dump_json(), "next_run": due, "paused": False, "settled": None}
        with self._reached(self._engine.begin) as connection:
            update = self._schedules.update().where(self._named(schedule.name)).values(row)
            if replace and connection.execute(update).rowcount:
                return due
            try:
                connection.execute(self._schedules.insert().values(name=schedule.name, **row))
            except self._sql.exc.IntegrityError as error:
                said = f"there is a schedule {schedule.name} already; --replace it, or name another"
                raise InputError(said) from error
        return due

    def remove(self, name: str) -> None:
        """Forget a schedule; its history stays.

        Raises:
            InputError: there is none of this name.
        """
        self._change(name, self._schedules.delete())

    def pause(self, name: str, *, paused: bool, at: float) -> None:
        """Let a schedule rest, or go on; what was missed while it rested is not made up for.

        Raises:
            InputError: there is none of this name.
        """
        due = next_time(self.planned(name).schedule, at)
        values: dict[str, object] = {"paused": paused} if paused else {"paused": False, "next_run": due}
        self._change(name, self._schedules.update().values(values))

    def move(self, name: str, next_run: float | None) -> None:
        """Set when a schedule is due next; one that was removed meanwhile is let go."""
        with self._reached(self._engine.begin) as connection:
            connection.execute(self._schedules.update().where(self._named(name)).values(next_run=next_run))

    def planned(self, name: str) -> Planned:
        """One schedule.

        Raises:
            InputError: there is none of this name.
        """
        found = self.all_planned(name)
        if not found:
            known = ", ".join(one.schedule.name for one in self.all_planned()) or "none yet"
            raise InputError(f"there is no schedule {name}; there are: {known}")
        return found[0]

    def all_planned(self, name: str | None = None) -> list[Planned]:
        """Every schedule, or the one of this name, by name."""
        query = self._sql.select(self._schedules).order_by(self._schedules.c.name)
        query = query.where(self._named(name)) if name is not None else query
        with self._reached(self._engine.connect) as connection:
            rows = connection.execute(query).all()
        return [Planned(Schedule.model_validate_json(row.schedule), row.next_run, row.paused) for row in rows]

    def settled(self, name: str) -> dict[str, Any] | None:
        """What the last run that came to an end was made from; None where there was none."""
        with self._reached(self._engine.connect) as connection:
            found = connection.execute(self._sql.select(self._schedules.c.settled).where(self._named(name))).scalar()
        content = json.loads(found) if found else None
        return content if isinstance(content, dict) else None

    def settle(self, name: str, state: dict[str, Any] | None) -> None:
        """Keep what a run was made from, for the next one to compare with."""
        text = json.dumps(state) if state is not None else None
        with self._reached(self._engine.begin) as connection:
            connection.execute(self._schedules.update().where(self._named(name)).values(settled=text))

    def begin(self, name: str, cause: str) -> int:
        """Write down that a run begins; returns its number."""
        row = {"name": name, "cause": cause, "started": time.time(), "state": RUNNING}
        row |= {"said": "", "attempts": 0, "log": ""}
        with self._reached(self._engine.begin) as connection:
            key: Any = connection.execute(self._runs.insert().values(row)).inserted_primary_key
        return int(key[0])

    def end(self, number: int, state: str, said: str = "", attempts: int = 0, log: str = "") -> None:
        """Write down what came of a run."""
        values = {"ended": time.time(), "state": state, "said": said, "attempts": attempts, "log": log}
        with self._reached(self._engine.begin) as connection:
            connection.execute(self._runs.update().where(self._runs.c.number == number).values(values))

    def close_lost(self, name: str, number: int) -> None:
        """Close the lines of this schedule's earlier runs that never said how they ended; their lock is free.

        Args:
            name: the schedule's.
            number: of the run that holds the lock now.
        """
        for run in self.runs(name, LOST_AT_ONCE, RUNNING):
            if run.number < number:
                self.end(run.number, LOST, LOST_SAID)

    def lost_in_a_row(self, name: str) -> int:
        """How many of a schedule's last runs were lost, one after another; skipped ones count for nothing."""
        told = [run.state for run in self.runs(name, LOST_AT_ONCE) if run.state != SKIPPED]
        return next((back for back, state in enumerate(reversed(told)) if state != LOST), len(told))

    def runs(self, name: str | None = None, count: int = 20, state: str | None = None) -> list[Run]:
        """The last runs, the oldest of them first."""
        query = self._sql.select(self._runs).order_by(self._runs.c.number.desc()).limit(count)
        query = query.where(self._runs.c.name == name) if name is not None else query
        query = query.where(self._runs.c.state == state) if state is not None else query
        with self._reached(self._engine.connect) as connection:
            rows = connection.execute(query).all()
        return [Run(**row._mapping) for row in reversed(rows)]

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def _reached(self, connect: Callable[[], AbstractContextManager[Any]]) -> Iterator[Any]:
        """A connection; what goes wrong with it is an error worth another try."""
        try:
            with connect() as connection:
                yield connection
        except (self._sql.exc.OperationalError, self._sql.exc.InterfaceError) as error:
            raise TemporaryError(
                f"--store: the database fails ({_said(error)}); is it there, and can it be written?"
            ) from error

    def _named(self, name: str) -> Any:
        return self._schedules.c.name == name

    def _change(self, name: str, statement: Any) -> None:
        with self._reached(self._engine.begin) as connection:
            changed = connection.execute(statement.where(self._named(name))).rowcount
        if not changed:
            self.planned(name)


def _said(error: Exception) -> str:
    """What the driver says; what SQLAlchemy makes of it may hold the URL, and holds what was to be written."""
    return one_line(getattr(error, "orig", None) or type(error).__name__)


@contextmanager
def opened(url: str) -> Iterator[Store]:
    """The store behind a URL, let go of at the end."""
    store = Store(url)
    try:
        yield store
    finally:
        store.close()
