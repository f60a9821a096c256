"""What must be known to compare several runs."""

from collections.abc import Sequence

from pipeline.report.figures import METRIC_NAMES, duration, points
from pipeline.report.main_table import label, latency_of, main_metrics, references
from pipeline.report.page.page_rows import PageRun
from pipeline.report.rows import Row


def compared_sentence(runs: Sequence[PageRun]) -> str:
    """Which of the runs' picks is the most accurate, and which answers one text soonest."""
    picks = [(run, run.report.row(run.report.selected)) for run in runs if run.report.selected is not None]
    rated = [(value, run, row) for run, row in picks if (value := _value(run, row)) is not None]
    timed = [(row.latency_ms["1"].p50, run, row) for run, row in picks if "1" in row.latency_ms]
    if not rated or not timed:
        return f"Of these {len(runs)} runs none has a pick with both accuracy and latency."
    _, best_run, best = max(rated, key=lambda one: one[0])
    _, quick_run, quick = min(timed, key=lambda one: one[0])
    if (best_run, best) == (quick_run, quick):
        return f"Of {len(runs)} runs' picks {_said(best_run, best)} is both the most accurate and the fastest."
    return (
        f"Of {len(runs)} runs' picks {_said(best_run, best)} is the most accurate, and {_said(quick_run, quick)} the "
        "fastest."
    )


def cautions(runs: Sequence[PageRun]) -> list[str]:
    """What keeps figures of different runs from being compared, and picks that are gone; nothing for one run."""
    if len(runs) < 2:
        return []
    return [_same_data(runs), _same_machine(runs), *_gone(runs)]


def _gone(runs: Sequence[PageRun]) -> list[str]:
    """A sentence on each run whose pick's files are not there."""
    picks = [(run, run.gone.get(run.report.selected or "")) for run in runs]
    return [f"{run.name}'s pick cannot be shipped: {said}." for run, said in picks if said]


def _same_data(runs: Sequence[PageRun]) -> str:
    digests = [run.report.data_sha256.get("test") for run in runs]
    if None in digests:
        missing = ", ".join(run.name for run, digest in zip(runs, digests, strict=True) if digest is None)
        return f"Whether all runs were tested on the same pairs is not known: no digest of {missing}."
    if len(set(digests)) > 1:
        return "The runs were tested on different pairs: their accuracies do not compare."
    return "All runs were tested on the same pairs."


def _same_machine(runs: Sequence[PageRun]) -> str:
    machines = {(run.report.environment.cpu, run.report.environment.threads) for run in runs}
    if len(machines) > 1:
        said = "; ".join(
            f"{run.name}: {run.report.environment.cpu}, {run.report.environment.threads} threads" for run in runs
        )
        return f"The runs were timed on different machines ({said}): their speeds do not compare."
    return (
        "The runs were timed on like machines but not beside each other: small differences in speed between runs may "
        "be the machine's, and factors such as × teacher compare within a run."
    )


def _value(run: PageRun, row: Row) -> float | None:
    measured = main_metrics(row, references(run.report))
    return measured.value if measured is not None else None


def _said(run: PageRun, row: Row) -> str:
    measured = main_metrics(row, references(run.report))
    accuracy = f"{METRIC_NAMES[measured.metric]} {points(measured.value)}" if measured is not None else ""
    latency = f"{latency_of(row, '1', duration)} for one text" if "1" in row.latency_ms else ""
    return f"{run.name}'s {label(row)} ({', '.join(part for part in (accuracy, latency) if part)})"
