"""The report in one sentence: what to ship, what it loses, how much faster it is."""

from dataclasses import dataclass

from pipeline.report.figures import (
    METRIC_NAMES,
    duration,
    points,
    ratio,
    rough_points,
    signed_points,
    significant,
)
from pipeline.report.main_table import (
    References,
    faster_than_baseline,
    faster_than_teacher,
    label,
    latency_of,
    main_metrics,
    references,
)
from pipeline.report.rows import Report, Row
from pipeline.report.unsteady import left_out, steady_beside


@dataclass(frozen=True)
class Headline:
    """One figure to show large."""

    value: str
    what: str
    detail: str


def answer(report: Report) -> str:
    """Say in one sentence what to ship, or that nothing fits."""
    if report.selected is None:
        because = f" ({report.selected_because})" if report.selected_because else ""
        return f"Ship nothing: no artifact fits the budget{because}."
    row, refer = report.row(report.selected), references(report)
    parts = [_accuracy(row, refer), _speed(row, refer), _search(row, refer)]
    size = f" ({significant(row.size_mib)} MiB)" if row.size_mib is not None else ""
    said = [part for part in parts if part]
    untold = left_out(row, refer.teacher, refer.baseline)
    return f"Ship {label(row)}{size}" + (f": {_and(said)}." if said else ".") + (f" {untold}" if untold else "")


def headlines(report: Report) -> list[Headline]:
    """The selected row's accuracy, its distance from the teacher, its speed and its size."""
    if report.selected is None:
        return []
    row, refer = report.row(report.selected), references(report)
    found = []
    metrics = main_metrics(row, refer)
    if metrics:
        low, high = metrics.ci95
        name = f"{METRIC_NAMES[metrics.metric]}, {refer.set_name}"
        found.append(Headline(points(metrics.value), name, f"95 % interval {points(low)} to {points(high)}"))
        teacher = main_metrics(refer.teacher, refer)
        if teacher:
            gain = signed_points(metrics.value - teacher.value)
            found.append(Headline(gain, "points against the teacher", f"teacher {points(teacher.value)}"))
    faster = faster_than_teacher(row, refer)
    if faster is not None and steady_beside(row, refer.teacher):
        compared = "pairs a second, nothing cached" if _reads_pairs(refer.teacher) else "texts a second"
        found.append(Headline(ratio(faster), "the teacher's speed", compared))
    if "1" in row.latency_ms:
        latency = row.latency_ms["1"]
        detail = f"95 of 100 below {duration(latency.p95)}"
        found.append(Headline(latency_of(row, "1", duration), "for one text", detail))
    if row.size_mib is not None:
        found.append(Headline(f"{significant(row.size_mib)} MiB", "on disk", row.precision or ""))
    return found


def _accuracy(row: Row, refer: References) -> str | None:
    metrics, teacher = main_metrics(row, refer), main_metrics(refer.teacher, refer)
    if metrics is None:
        return None
    said = f"it reaches {METRIC_NAMES[metrics.metric]} {points(metrics.value)} on {refer.set_name}"
    if teacher is None:
        return said
    gain = metrics.value - teacher.value
    if metrics.difference_to_teacher is None:
        return f"{said}, {signed_points(gain)} points against the teacher"
    low, high = metrics.difference_to_teacher.ci95
    interval = f"95 % interval {rough_points(low)} to {rough_points(high)}"
    if low <= 0 <= high:
        against = f"the teacher's {points(teacher.value)} ({signed_points(gain)}, {interval})"
        return f"{said}, no clear difference from {against}"
    way = "above" if gain > 0 else "below"
    return f"{said}, {points(abs(gain))} points {way} the teacher ({interval})"


def _speed(row: Row, refer: References) -> str | None:
    than_teacher = faster_than_teacher(row, refer) if steady_beside(row, refer.teacher) else None
    than_baseline = faster_than_baseline(row, refer) if steady_beside(row, refer.baseline) else None
    if than_teacher is not None and not _reads_pairs(refer.teacher):
        return f"reads texts {ratio(than_teacher)} as fast as the teacher"
    if than_teacher is not None:
        return f"scores pairs {ratio(than_teacher)} as fast as the teacher with nothing cached"
    if than_baseline is not None and refer.baseline is not None:
        return f"reads texts {ratio(than_baseline)} as fast as {refer.baseline.name}"
    return None


def _reads_pairs(teacher: Row | None) -> bool:
    """Whether the teacher is a cross-encoder, which has no speed of single texts."""
    return teacher is not None and teacher.pairs_per_second is not None


def _search(row: Row, refer: References) -> str | None:
    mine, theirs = row.one_against_many, refer.teacher.one_against_many if refer.teacher else None
    if mine is None or mine.unsteady("query_ms"):
        return None
    said = f"answers one query against {mine.candidates:,} indexed texts in {duration(mine.query_ms.p50)}"
    if theirs is None or theirs.candidates != mine.candidates or theirs.unsteady("query_ms"):
        return said
    return f"{said} instead of {duration(theirs.query_ms.p50)}"


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + ", and " + parts[-1]
