"""The report in one sentence: what to ship, what it loses, how much faster it is."""

from dataclasses import dataclass

from pipeline.measure.one_against_many import OneAgainstMany
from pipeline.report.best_other import best_other, gain_over
from pipeline.report.figures import (
    METRIC_NAMES,
    difference,
    duration,
    points,
    ratio,
    rough_points,
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
from pipeline.report.row_names import BM25, UNTAUGHT
from pipeline.report.rows import Report, Row
from pipeline.report.unsteady import left_out, searched_busy, steady_beside


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
    parts = [_accuracy(report, row, refer), _speed(row, refer), _search(row, refer)]
    size = f" ({significant(row.size_mib)} MiB)" if row.size_mib is not None else ""
    said = [part for part in parts if part]
    untold = left_out(row, refer.teacher, refer.baseline)
    return f"Ship {label(row)}{size}" + (f": {_and(said)}." if said else ".") + (f" {untold}" if untold else "")


def headlines(report: Report) -> list[Headline]:
    """The selected row's accuracy, its distance from the best of teacher and baselines, its speed and its size."""
    if report.selected is None:
        return []
    row, refer = report.row(report.selected), references(report)
    found = []
    metrics = main_metrics(row, refer)
    if metrics:
        low, high = metrics.ci95
        name = f"{METRIC_NAMES[metrics.metric]}, {refer.set_name}"
        found.append(Headline(points(metrics.value), name, f"95 % interval {points(low)} to {points(high)}"))
        other = best_other(report, row, refer)
        theirs = main_metrics(other, refer)
        if metrics.texts is not None:
            name = f"agreement with the teacher ({name})"
            found[-1] = Headline(points(metrics.value), name, found[-1].detail)
        elif other is not None and theirs:
            gain, name = difference(metrics.value, theirs.value), _named(other, refer)
            detail = f"{name.removeprefix('the ')} {points(theirs.value)}"
            found.append(Headline(gain, f"points against {name}", detail))
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


def _accuracy(report: Report, row: Row, refer: References) -> str | None:
    metrics, other = main_metrics(row, refer), best_other(report, row, refer)
    if metrics is None:
        return None
    said = f"it reaches {METRIC_NAMES[metrics.metric]} {points(metrics.value)} on {refer.set_name}"
    if metrics.texts is not None:
        return f"{said}, which is agreement with the teacher"
    gain, theirs = (gain_over(row, other, refer), main_metrics(other, refer)) if other is not None else (None, None)
    if other is None or gain is None or theirs is None:
        return said
    name, beside, shown = _named(other, refer), _teacher_beside(other, refer), difference(metrics.value, theirs.value)
    if gain.ci95 is None:
        return f"{said}, {shown} points against {name}{beside}"
    low, high = map(rough_points, gain.ci95)
    interval = f"95 % interval {'' if gain.paired else 'about '}{low} to {high}"
    if not gain.sure:
        at = "'s" if other == refer.teacher else " at"
        against = f"{name}{at} {points(theirs.value)} ({shown}, {interval})"
        return f"{said}, no clear difference from {against}{beside}"
    way = "above" if gain.value > 0 else "below"
    return f"{said}, {shown[1:]} points {way} {name} ({interval}){beside}"


def _named(other: Row, refer: References) -> str:
    if other == refer.teacher:
        return "the teacher"
    return f"the {label(other)}" if other.name in UNTAUGHT and other.name != BM25 else label(other)


def _teacher_beside(other: Row, refer: References) -> str:
    """That the best of what a pick is compared with is not the teacher, whose figure stands beside it then."""
    teacher = main_metrics(refer.teacher, refer)
    if teacher is None or other == refer.teacher:
        return ""
    return f", the best of teacher and baselines (the teacher reaches {points(teacher.value)})"


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
    if mine is None or searched_busy(mine):
        return None
    said = f"answers one query against {mine.candidates:,} indexed texts in {_query(mine)}"
    if theirs is None or theirs.candidates != mine.candidates or searched_busy(theirs):
        return said
    return f"{said} instead of {_query(theirs)}"


def _query(search: OneAgainstMany) -> str:
    """The milliseconds of one query: about so many, where its rounds differed."""
    return ("about " if search.unsteady("query_ms") else "") + duration(search.query_ms.p50)


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + ", and " + parts[-1]
