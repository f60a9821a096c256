"""The scheduler in the foreground: each run is a process of its own, so that none takes the scheduler down."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from decant.errors import DecantError, InputError
from pipeline.schedule.attempts import stop
from pipeline.schedule.home import URL_VARIABLE
from pipeline.schedule.last_run import write_schedule
from pipeline.schedule.lock import is_held, recipe_lock
from pipeline.schedule.store import LOST, LOST_AT_ONCE, LOST_SAID, RUNNING, Store
from pipeline.schedule.triggers import INSTALL, next_time

SCHEDULER = "the scheduler itself"  # its name among the recipes' locks
SCHEDULES = "schedules"
GRACE_S = 20.0  # longer than a run's process gives its own child
JUST_AFTER_S = 1e-3
LOOK_S = 1  # how soon a schedule that was added or changed meanwhile is seen


def serve(
    store: Store, url: str, home: Path, parallel: int, say: Callable[[str], None], stopped: threading.Event,
    prometheus: Path | None = None,
) -> None:  # fmt: skip
    """Fire schedules when they are due, until `stopped`.

    Args:
        store: holds the schedules.
        url: of the store, for the runs' processes.
        home: folder of logs and locks.
        parallel: runs at a time.
        say: shows what is at work.
        stopped: set from outside to end.
        prometheus: folder for files of how the schedules' runs ended; None: none are written.

    Raises:
        InputError: another scheduler is at work in `home`, or APScheduler is not installed.
        DecantError: the database was lost.
    """
    try:
        from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.background import BackgroundScheduler

        from pipeline.schedule.job_store import ScheduleJobStore
    except ImportError as error:
        raise InputError(INSTALL.format("apscheduler")) from error
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # the history tells of what it warns of
    children = Children()

    def still_running(event: JobSubmissionEvent) -> None:
        number = store.begin(event.job_id, "schedule")
        store.end(number, "skipped", "its last run is still at work")
        say(f"{event.job_id}: skipped: its last run is still at work")
        if prometheus is not None:
            write_schedule(store, event.job_id, prometheus, say)

    with recipe_lock(home, SCHEDULER) as descriptor:
        if descriptor is None:
            raise InputError(f"{home}: another scheduler is at work here; stop it, or give --home")
        seen = time.time()
        bring_forward(store, seen, say)
        recover(store, home, say, prometheus)
        scheduler = BackgroundScheduler(timezone="UTC", executors={"default": ThreadPoolExecutor(parallel)})
        scheduler.add_jobstore(
            ScheduleJobStore(store, lambda name: _fire(name, url, home, children, say, prometheus)), SCHEDULES
        )
        scheduler.add_listener(still_running, EVENT_JOB_MAX_INSTANCES)
        scheduler.start()
        try:
            while not stopped.wait(LOOK_S):
                if not scheduler._thread.is_alive():  # such as by a database that is gone: a service starts us again
                    raise DecantError(
                        "the scheduler's thread has ended; is the database there? `start` goes on from here"
                    )
                now = time.time()
                if now < seen:
                    bring_forward(store, now, say)
                seen = now
                scheduler.wakeup()  # it sleeps until the next time that it knows of, whatever the store has got since
        finally:
            scheduler.pause()
            children.stop()
            scheduler.shutdown(wait=True)


def bring_forward(store: Store, now: float, say: Callable[[str], None]) -> None:
    """Where the clock was set back, let schedules that are due later than the second time from now be due at the first.

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


def recover(store: Store, home: Path, say: Callable[[str], None], prometheus: Path | None = None) -> None:
    """Close the lines of runs that died without a word, such as by kill -9, and let those schedules be due now.

    A schedule whose runs are lost one after another, more often than it is tried again, may be what takes the machine
    down; it waits for its next time.

    Args:
        prometheus: folder for files of how the schedules' runs ended; None: none are written.
    """
    for run in store.runs(count=LOST_AT_ONCE, state=RUNNING):
        found = store.all_planned(run.name)
        if found and is_held(home, found[0].schedule.recipe):
            continue
        store.end(run.number, LOST, LOST_SAID)
        lost, again = store.lost_in_a_row(run.name), found[0].schedule.retries if found else 0
        waits = f"; {lost} were in a row, so the schedule waits for its next time" if lost > again and found else ""
        say(f"{run.name}: run {run.number} was lost{waits}")
        if found and not found[0].paused and not waits:
            store.move(run.name, time.time())
        if found and prometheus is not None:
            write_schedule(store, run.name, prometheus, say)


class Children:
    """The processes that are at work, to be ended with the scheduler."""

    def __init__(self) -> None:
        self._lock, self._running, self._stopped = threading.Lock(), set[subprocess.Popen[bytes]](), False

    def run(self, command: list[str], environment: dict[str, str]) -> int | None:
        """Run a command to its end; None where everything is being stopped."""
        with self._lock:
            if self._stopped:
                return None
            child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
            self._running.add(child)
        try:
            return child.wait()
        finally:
            with self._lock:
                self._running.discard(child)

    def stop(self) -> None:
        """End them all, and start no more."""
        with self._lock:
            self._stopped, running = True, list(self._running)
        enders = [threading.Thread(target=stop, args=(child, GRACE_S)) for child in running]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()


def _fire(
    name: str, url: str, home: Path, children: Children, say: Callable[[str], None], prometheus: Path | None
) -> None:
    command = [sys.executable, "-m", "pipeline.cli", "schedule", "run-now", name, "--home", str(home), "--due"]
    command += ["--prometheus", str(prometheus)] if prometheus is not None else []
    code = children.run(command, os.environ | {URL_VARIABLE: url})  # not among the arguments: it may hold a password
    if code is not None:
        say(f"{name}: ended with {code}")
