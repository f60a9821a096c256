"""Models on a suite as a table, for every format alike: a row a model, a column a set, and the mean of all sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from decant.table import MISSING, Cell, Column, Line, Table, number_columns
from pipeline.measure.set_metrics import SetMetrics
from pipeline.report.figures import METRIC_NAMES, counted, or_missing, points, share
from pipeline.report.main_table import label, sorted_rows
from pipeline.report.rows import Report
from pipeline.suite.measure_suite import suite_mean


def report_suite(report: Report) -> Table:
    """The rows of a report that its suite was measured on; an empty table where there is no suite."""
    names = suite_names(report)
    rows = {label(row): row for row in sorted_rows(report) if any(name in row.metrics for name in names)}
    teachers = [name for name, row in rows.items() if row.kind == "teacher"]
    kinds = {name: row.kind for name, row in rows.items()}
    picked = next((name for name, row in rows.items() if row.name == report.selected), None)
    figures = {name: row.metrics for name, row in rows.items()}
    return suite_table(names, figures, teachers[0] if teachers else None, kinds=kinds, picked=picked)


def suite_names(report: Report) -> list[str]:
    """The names of the sets of the recipe's suite."""
    measure = report.recipe.get("measure")
    sets = measure.get("sets") if isinstance(measure, dict) else None
    return list(sets) if isinstance(sets, dict) else []


def suite_table(
    names: Sequence[str], rows: Mapping[str, Mapping[str, SetMetrics]], whole: str | None, *,
    kinds: Mapping[str, str] | None = None, picked: str | None = None, whole_is: str = "the teacher's",
) -> Table:  # fmt: skip
    """Main figures ×100.

    Args:
        names: of the sets, in order.
        rows: figures by set, by the model's name.
        whole: the model whose mean the others' are written as a share of; None: there is none.
        kinds: of the models.
        picked: the marked one.
        whole_is: what the legend calls that model's mean.
    """
    means = {name: suite_mean(figures, names) for name, figures in rows.items()}
    base = means.get(whole) if whole is not None else None
    lines = []
    for name, figures in rows.items():
        mean = means[name]
        kept = share(mean / base) if base and mean is not None else MISSING
        cells = [Cell(name), Cell(or_missing(mean, points)), *([Cell(kept)] if base else [])]
        cells += [_cell(figures.get(key)) for key in names]
        lines.append(Line(tuple(cells), name == picked, (kinds or {}).get(name, "")))
    heads = ["mean", *([f"of {whole_is}"] if base else []), *names]
    return Table((Column("model"), *number_columns(*heads)), tuple(lines), tuple(_legend(names, rows)))


def _cell(measured: SetMetrics | None) -> Cell:
    if measured is None:
        return Cell(MISSING)
    low, high = measured.ci95
    return Cell(points(measured.value), notes=(f"±{100 * (high - low) / 2:.1f}",))


def _legend(names: Sequence[str], rows: Mapping[str, Mapping[str, SetMetrics]]) -> list[str]:
    """What each column is, and what the mean is of."""
    first = {name: next((row[name] for row in rows.values() if name in row), None) for name in names}
    said = [
        f"{name} {METRIC_NAMES[one.metric]} ({counted(one.examples, one.metric)})"
        for name, one in first.items()
        if one is not None
    ]
    if not said:
        return []
    return [f"×100: {', '.join(said)}.", "The mean is of these main figures, each set counting alike."]
