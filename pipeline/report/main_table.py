"""The main table: which columns there are and how each row fills them, for every format alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from decant.table import MISSING, Column, Table, line
from pipeline.measure.set_metrics import SetMetrics
from pipeline.report.figures import METRIC_NAMES, counted, difference, or_missing, ratio, significant, with_half
from pipeline.report.rows import Kind, Report, Row
from pipeline.report.unsteady import mark_legend, marked, steady_beside

QUIET = 0.1  # share of busy cores above which timings are not to be trusted
TORCH_RUNTIMES = ("torch", "sentence-transformers")
KIND_ORDER: tuple[Kind, ...] = ("teacher", "baseline", "student", "artifact")


@dataclass(frozen=True)
class References:
    """The rows that others are compared with."""

    set_name: str | None
    teacher: Row | None
    baseline: Row | None


def references(report: Report) -> References:
    """Choose what to compare with: the first test set, the teacher, and the first baseline run in torch.

    Without such a baseline the student in torch takes its place.
    """
    set_names = [name for row in report.rows for name in row.metrics]
    in_torch = [row for row in report.rows if row.texts_per_second and row.runtime in TORCH_RUNTIMES]
    baseline = [row for row in in_torch if row.kind == "baseline"] or [row for row in in_torch if row.kind == "student"]
    teachers = [row for row in report.rows if row.kind == "teacher"]
    return References(
        set_names[0] if set_names else None,
        teachers[0] if teachers else None,
        baseline[0] if baseline else None,
    )


def sorted_rows(report: Report) -> list[Row]:
    """Teacher, baselines, student, artifacts; these from deep, wide, large to shallow, narrow, small."""

    def key(row: Row) -> tuple[int, ...]:
        size = (-(row.layers or 0), -(row.dim or 0), -round(1000 * (row.size_mib or 0)))
        return (KIND_ORDER.index(row.kind), *(size if row.kind == "artifact" else (0,)))

    return sorted(report.rows, key=key)


def main_table(report: Report, only: Sequence[str] | None = None, picked: str | None = None) -> Table:
    """Every row of a report; columns that no row can fill are left out.

    Args:
        report: what to show.
        only: names of the rows to show; None: all.
        picked: name of the marked row; None: the selected one.
    """
    refer = references(report)
    metric = next((m for row in report.rows if (m := main_metrics(row, refer))), None)
    candidates: list[tuple[Column, Callable[[Row], str]]] = [
        (Column("model"), label),
        (Column("precision", keep=4), lambda row: row.precision or MISSING),
        (Column("shared maps", keep=5), lambda row: row.sharing or MISSING),
        (Column(main_metric_name(report), True), lambda row: with_interval(row, refer)),
        (Column("vs teacher", True), lambda row: against_teacher(row, refer)),
        (Column("texts/s", True), throughput),
        (Column("ms/text", True, keep=1), one_text_ms),
        (Column("MiB", True, keep=2), lambda row: or_missing(row.size_mib)),
        (Column("× teacher", True), lambda row: times(faster_than_teacher(row, refer), row, refer.teacher)),
        (Column("× torch", True, keep=3), lambda row: times(faster_than_baseline(row, refer), row, refer.baseline)),
    ]
    shown = [(column, cell) for column, cell in candidates if any(cell(row) != MISSING for row in report.rows)]
    lines = [
        line(*(cell(row) for _, cell in shown), picked=row.name == (picked or report.selected), kind=row.kind)
        for row in sorted_rows(report)
        if only is None or row.name in only
    ]
    return Table(
        tuple(column for column, _ in shown), tuple(lines), (*_legend(report, refer, metric), *mark_legend(lines))
    )


def _legend(report: Report, refer: References, metric: SetMetrics | None) -> list[str]:
    """Sentences that say what the columns mean."""
    said = []
    if metric:
        said.append(
            f"{METRIC_NAMES[metric.metric]} ×100 on {refer.set_name} ({counted(metric.examples, metric.metric)}), "
            "± half of the 95 % bootstrap interval."
        )
    if metric and metric.texts is not None:
        said.append(
            f"It is agreement with the teacher, without labels: how a model ranks pairs of {metric.texts:,} held-back "
            "texts, near and far, against how the teacher does, whose own is 100 by definition."
        )
    if metric and main_metrics(refer.teacher, refer):
        said.append("vs teacher: the figure minus the teacher's, as both are written.")
    said.append("Speed on the texts as given, tokenizer included; ms/text is the median for one text at a time.")
    if any(row.sharing for row in report.rows):
        said.append("Shared maps: layers, counted from 0, that all use the attention map of the first of them.")
    busy = report.environment.busy
    if busy is not None and busy > QUIET:
        said.append(f"Other work kept {100 * busy:.0f} % of the cores busy: these speeds are too low.")
    if refer.teacher and refer.teacher.pairs_per_second:
        said.append(
            "A cross-encoder reads pairs, so its figures are per pair; × teacher compares pairs per second, two texts "
            "each, with no vectors cached."
        )
    elif refer.teacher:
        said.append("× teacher compares texts per second.")
    if refer.baseline:
        said.append(f"× torch compares texts per second with {refer.baseline.name}, which runs in torch.")
    return said


def label(row: Row) -> str:
    """Name of a row; the comparator form is another model than the cosine, so it is said."""
    told = row.form != "comparator" or "comparator" in row.name
    return row.name if told else f"{row.name} (comparator)"


def with_interval(row: Row, refer: References) -> str:
    """Main metric ×100 with half of its 95 % interval: 82.03 ±1.4."""
    metrics = main_metrics(row, refer)
    return MISSING if metrics is None else with_half(metrics.value, metrics.ci95)


def against_teacher(row: Row, refer: References) -> str:
    """Main metric ×100 minus the teacher's, as both are written."""
    metrics = main_metrics(row, refer)
    teacher = main_metrics(refer.teacher, refer) if refer.teacher else None
    if metrics is None or teacher is None or row == refer.teacher:
        return MISSING
    return difference(metrics.value, teacher.value)


def throughput(row: Row) -> str:
    """Texts a second, or a cross-encoder's pairs a second, which is said."""
    if row.texts_per_second is not None:
        return marked(significant(row.texts_per_second), row.unsteady("texts_per_second"))
    rate = marked(or_missing(row.pairs_per_second), row.unsteady("pairs_per_second"))
    return f"{rate} pairs" if row.pairs_per_second is not None else MISSING


def one_text_ms(row: Row) -> str:
    """Median milliseconds for one text (a cross-encoder: one pair)."""
    return latency_of(row, "1", significant)


def latency_of(row: Row, size: str, write: Callable[[float], str]) -> str:
    """Median milliseconds of a batch of this size."""
    if size not in row.latency_ms:
        return MISSING
    return marked(write(row.latency_ms[size].p50), row.unsteady(f"latency_ms.{size}"))


def times(value: float | None, row: Row, other: Row | None) -> str:
    """How many times the other's throughput."""
    return marked(or_missing(value, ratio), not steady_beside(row, other))


def pairs_per_second(row: Row) -> float | None:
    """Pairs scored a second with no vector cached; an encoder reads two texts a pair."""
    if row.pairs_per_second is not None:
        return row.pairs_per_second
    return row.texts_per_second / 2 if row.texts_per_second is not None else None


def faster_than_teacher(row: Row, refer: References) -> float | None:
    """How many times the teacher's pairs a second; for two encoders that is the ratio of texts a second."""
    mine, teachers = pairs_per_second(row), pairs_per_second(refer.teacher) if refer.teacher else None
    return mine / teachers if mine and teachers and row != refer.teacher else None


def faster_than_baseline(row: Row, refer: References) -> float | None:
    """How many times the torch baseline's texts a second."""
    if refer.baseline is None or row == refer.baseline:
        return None
    mine, theirs = row.texts_per_second, refer.baseline.texts_per_second
    return mine / theirs if mine and theirs else None


def main_metric_name(report: Report) -> str:
    """Name of the main metric, for people; metric where nothing was rated."""
    refer = references(report)
    metric = next((measured for row in report.rows if (measured := main_metrics(row, refer))), None)
    return METRIC_NAMES[metric.metric] if metric else "metric"


def main_metrics(row: Row | None, refer: References) -> SetMetrics | None:
    """A row's figures on the set that rows are compared on."""
    return row.metrics.get(refer.set_name) if row is not None and refer.set_name is not None else None
