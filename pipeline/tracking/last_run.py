"""How a run ended, as a file for the textfile collector of Prometheus' node_exporter."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from decant.errors import GateError, InputError
from pipeline.recipe.recipe import Recipe
from pipeline.report.rows import Report, Row, read_report_json
from pipeline.run_dir import BusyError, RunDir
from pipeline.screen.console import Screen
from pipeline.tracking.settings import textfile_path
from pipeline.tracking.textfile import Sample, states, value_in, write_textfile

STATES = ("done", "gate_failed", "bad_input", "failed", "interrupted")
SUCCESS = "decant_run_last_success_timestamp_seconds"
TOLD = {
    "decant_run_status": "1 for how the last run ended, 0 for the other ways",
    "decant_run_end_timestamp_seconds": "when the last run ended",
    "decant_run_duration_seconds": "how long the last run took",
    SUCCESS: "when a run was last done",
    "decant_pick_info": "the artifact to ship of the last report",
    "decant_pick_accuracy": "its metrics, as fractions",
    "decant_pick_accuracy_ci95_low": "lower end of its main metric's 95 % interval",
    "decant_pick_latency_seconds": "its time for a batch",
    "decant_pick_texts_per_second": "its throughput",
    "decant_pick_size_bytes": "its size",
}


@contextmanager
def recorded(recipe: Recipe, base: Path, run_dir: RunDir, screen: Screen) -> Iterator[None]:
    """Write how the run inside ended where the recipe asks for it. What cannot be written is told of in one line.

    Args:
        base: the recipe's folder.
    """
    path = textfile_path(recipe.tracking, base, recipe.name)
    if path is None:
        yield
        return
    started, state = time.time(), "failed"
    try:
        yield
        state = "done"
    except BusyError:
        state = ""  # of another run, which tells by itself how it ends
        raise
    except GateError:
        state = "gate_failed"
        raise
    except (InputError, OSError, MemoryError):
        state = "bad_input"
        raise
    except Exception:
        raise
    except BaseException:
        state = "interrupted"
        raise
    finally:
        if state and path.parent.is_dir():
            try:
                write_textfile(path, run_samples(recipe.name, state, started, time.time(), path, run_dir), TOLD)
            except OSError as error:
                screen.warn(f"tracking.prometheus: {path} cannot be written ({error.strerror}); the run is not touched")


def run_samples(name: str, state: str, started: float, ended: float, path: Path, run_dir: RunDir) -> list[Sample]:
    """How a run ended, when one was last done, and the figures of the last report's pick.

    Args:
        name: the recipe's.
        state: one of STATES.
        started: seconds since 1970 UTC; `ended` likewise.
        path: of the file, which holds when a run was last done where this one was not.
        run_dir: where the last report is.
    """
    of_run = {"name": name}
    samples = states("decant_run_status", STATES, state, of_run)
    samples.append(Sample("decant_run_end_timestamp_seconds", ended, of_run))
    samples.append(Sample("decant_run_duration_seconds", ended - started, of_run))
    success = ended if state == "done" else value_in(path, SUCCESS, name)
    samples += [Sample(SUCCESS, success, of_run)] if success is not None else []
    try:
        report = read_report_json(run_dir.folder("report") / "report.json")
    except InputError:
        return samples
    return samples + pick_samples(name, report)


def pick_samples(name: str, report: Report) -> list[Sample]:
    """Figures of the artifact to ship, in seconds and bytes; nothing where none is."""
    if report.selected is None:
        return []
    row = report.row(report.selected)
    of_pick = {"name": name, "artifact": row.name}
    about = of_pick | {"precision": row.precision or "", "graph_sha256": row.graph_sha256 or ""}
    return [Sample("decant_pick_info", 1.0, about), *_accuracy(row, of_pick), *_costs(row, of_pick)]


def _accuracy(row: Row, labels: Mapping[str, str]) -> list[Sample]:
    samples = []
    for where, measured in row.metrics.items():
        of_set = {**labels, "set": where}
        for metric, value in measured.values.items():
            samples.append(Sample("decant_pick_accuracy", value, of_set | {"metric": metric}))
        low = measured.ci95[0]
        samples.append(Sample("decant_pick_accuracy_ci95_low", low, of_set | {"metric": measured.metric}))
    return samples


def _costs(row: Row, labels: Mapping[str, str]) -> list[Sample]:
    samples = [
        Sample("decant_pick_latency_seconds", ms / 1000, {**labels, "batch": size, "quantile": quantile})
        for size, latency in row.latency_ms.items()
        for quantile, ms in (("0.5", latency.p50), ("0.95", latency.p95))
    ]
    if row.texts_per_second is not None:
        samples.append(Sample("decant_pick_texts_per_second", row.texts_per_second, labels))
    if row.size_mib is not None:
        samples.append(Sample("decant_pick_size_bytes", row.size_mib * 2**20, labels))
    return samples
