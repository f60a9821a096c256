"""Our schedules as APScheduler's jobs. Its own SQL job store pickles jobs; here a row holds JSON and a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from apscheduler.job import Job
from apscheduler.jobstores.base import BaseJobStore

from pipeline.schedule.store import Planned, Store
from pipeline.schedule.triggers import trigger_of


class ScheduleJobStore(BaseJobStore):
    """Every schedule that is not paused, as a job that calls `fire(name)`.

    Other processes add, pause and remove schedules meanwhile, so nothing is kept in memory.

    Args:
        store: where the schedules are.
        fire: what a due schedule calls, in a thread of its own.
    """

    def __init__(self, store: Store, fire: Callable[[str], None]) -> None:
        super().__init__()
        self._store, self._fire = store, fire

    def lookup_job(self, job_id: str) -> Job | None:
        return next(map(self._job, self._store.all_planned(job_id)), None)

    def get_due_jobs(self, now: datetime) -> list[Job]:
        return [
            self._job(one) for one in self._active() if one.next_run is not None and one.next_run <= now.timestamp()
        ]

    def get_next_run_time(self) -> datetime | None:
        times = [one.next_run for one in self._active() if one.next_run is not None]
        return datetime.fromtimestamp(min(times), UTC) if times else None

    def get_all_jobs(self) -> list[Job]:
        return [self._job(one) for one in self._active()]

    def add_job(self, job: Job) -> None:
        raise NotImplementedError("schedules are added by `decant schedule add`")

    def update_job(self, job: Job) -> None:
        self._store.move(job.id, job.next_run_time.timestamp() if job.next_run_time is not None else None)

    def remove_job(self, job_id: str) -> None:
        self._store.move(job_id, None)  # APScheduler removes a job that is never due again; its schedule stays

    def remove_all_jobs(self) -> None:
        raise NotImplementedError("schedules are removed by `decant schedule remove`")

    def _active(self) -> list[Planned]:
        rows = [one for one in self._store.all_planned() if not one.paused]
        return sorted(rows, key=lambda one: (one.next_run is None, one.next_run or 0.0))

    def _job(self, planned: Planned) -> Job:
        schedule = planned.schedule
        due = planned.next_run
        job = Job(
            self._scheduler, id=schedule.name, name=schedule.name, func=self._fire, args=(schedule.name,), kwargs={},
            trigger=trigger_of(schedule), executor="default", max_instances=1,
            coalesce=True, misfire_grace_time=None,  # however late, and once for all that were missed
            next_run_time=datetime.fromtimestamp(due, ZoneInfo(schedule.timezone)) if due is not None else None,
        )  # fmt: skip
        job._jobstore_alias = self._alias
        return job
