"""How a schedule stands, as a file for Prometheus: how its last run ended, when one was last good, when it is due."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.schedule.store import LOST, SKIPPED, Store
from pipeline.tracking.textfile import Sample, states, write_textfile

GOOD = ("done", "promoted")
AT_ONCE = 100  # a run may end after others that began later and were skipped
STATES = (*GOOD, "refused", SKIPPED, "failed", "interrupted", LOST)
TOLD = {
    "decant_schedule_status": "1 for how the schedule's last run ended, 0 for the other ways",
    "decant_schedule_end_timestamp_seconds": "when its last run ended",
    "decant_schedule_duration_seconds": "how long its last run took",
    "decant_schedule_attempts": "tries that its last run took; 0: none was needed",
    "decant_schedule_last_success_timestamp_seconds": "when a run was last done or promoted",
    "decant_schedule_next_run_timestamp_seconds": "when it is due next",
    "decant_schedule_paused": "1 where it rests",
}


def write_schedule(store: Store, name: str, folder: Path, say: Callable[[str], None]) -> None:
    """Write decant_schedule_NAME.prom; what cannot be written is told of, and the run's line in the history stands.

    Args:
        store: holds the schedule and its history.
        name: the schedule's.
        folder: of node_exporter's textfile collector.
        say: shows what went wrong.
    """
    path = folder / f"decant_schedule_{name}.prom"
    samples = schedule_samples(store, name)
    try:
        if samples:
            write_textfile(path, samples, TOLD)
    except OSError as error:
        say(f"{name}: {path} cannot be written ({error.strerror})")


def schedule_samples(store: Store, name: str) -> list[Sample]:
    """Figures of a schedule that has run once or more; nothing of one that has not, or was removed meanwhile."""
    found = store.all_planned(name)
    ends = [(run.ended, run) for run in store.runs(name, AT_ONCE) if run.ended is not None]
    if not found or not ends:
        return []
    labels = {"name": name}
    (ended, run), (planned,) = max(ends, key=lambda end: end[0]), found
    values: dict[str, float | None] = {
        "end_timestamp_seconds": ended,
        "duration_seconds": ended - run.started,
        "attempts": run.attempts,
        "last_success_timestamp_seconds": _last_good(store, name),
        "next_run_timestamp_seconds": planned.next_run,
        "paused": planned.paused,
    }
    samples = states("decant_schedule_status", STATES, run.state, labels)
    return samples + [
        Sample(f"decant_schedule_{gauge}", float(value), labels) for gauge, value in values.items() if value is not None
    ]


def _last_good(store: Store, name: str) -> float | None:
    ends = [run.ended for state in GOOD for run in store.runs(name, 1, state) if run.ended is not None]
    return max(ends, default=None)
