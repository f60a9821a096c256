"""report.html: one page that holds everything, reads nothing from the network, and runs no script."""

import base64
from collections.abc import Sequence
from importlib.resources import files

import yaml
from jinja2 import Environment as Templates
from jinja2 import StrictUndefined
from matplotlib.figure import Figure

from pipeline.report.accuracy_plot import accuracy_against_latency
from pipeline.report.answer import answer, headlines
from pipeline.report.engine_table import HEADER, NUMERIC, engine_cells, engine_legend
from pipeline.report.figures import METRIC_NAMES, MISSING, duration, parameters, points, share, significant
from pipeline.report.grid_plot import accuracy_grid
from pipeline.report.grid_table import cut_with_interval, grid_header, grid_legend, grid_rows
from pipeline.report.markdown import parity_cells
from pipeline.report.mined_plot import mined_scores
from pipeline.report.mined_sentence import mined_sentence
from pipeline.report.plot_theme import DARK, LIGHT, png
from pipeline.report.rows import Report, Row
from pipeline.report.table import columns, label, legend, sorted_rows
from pipeline.report.training_plot import TrainingRecord, training_curves

TEMPLATE = "page.html.jinja"


def html_report(report: Report, training: Sequence[TrainingRecord] = ()) -> str:
    """Render the page.

    Every text is escaped, wherever it comes from: names, recipes and the compared pairs are other people's.

    Args:
        report: what to show.
        training: what training logged; none: no such section.

    Returns:
        HTML, plots embedded, for light and for dark screens.
    """
    templates = Templates(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = files("pipeline.report").joinpath(TEMPLATE).read_text(encoding="utf-8")
    shown, rows = columns(report), sorted_rows(report)
    return templates.from_string(source).render(
        report=report,
        title=str(report.recipe.get("name", "report")),
        description=str(report.recipe.get("description") or ""),
        answer=answer(report),
        headlines=headlines(report),
        columns=shown,
        rows=[(row, [column.cell(row) for column in shown]) for row in rows],
        legend=legend(report),
        all_figures=all_figures(rows),
        costs=[(row, row.one_against_many) for row in rows if row.one_against_many is not None],
        reads_pairs=any(row.pairs_per_second is not None for row in rows),
        parities=[(row, parity_cells(row)) for row in rows if row.parity is not None],
        accuracy_plot=_pictures(*[accuracy_against_latency(report, theme) for theme in (LIGHT, DARK)]),
        grid_plot=_pictures(*[accuracy_grid(report, theme) for theme in (LIGHT, DARK)]),
        grid_header=grid_header,
        grid_rows=grid_rows,
        grid_legend=grid_legend,
        cut_with_interval=cut_with_interval,
        mined_plot=_pictures(*[mined_scores(report, theme) for theme in (LIGHT, DARK)]),
        mined_sentence=mined_sentence,
        engine_header=[(name, name in NUMERIC) for name in HEADER],
        engine_cells=engine_cells,
        engine_legend=engine_legend,
        training_plot=_pictures(*[training_curves(training, theme) for theme in (LIGHT, DARK)]),
        recipe=yaml.safe_dump(report.recipe, sort_keys=False, allow_unicode=True),
        label=label,
        duration=duration,
        points=points,
        share=share,
    )


def all_figures(rows: Sequence[Row]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every figure of every row that the main table has no room for: (row's label, [(what, figure)])."""
    return [(label(row), [(what, said) for what, said in _figures(row) if said]) for row in rows]


def _figures(row: Row) -> list[tuple[str, str]]:
    figures = [
        ("form", row.form or ""),
        ("runtime", row.runtime or ""),
        ("layers × dimensions", f"{row.layers or MISSING} × {row.dim or MISSING}" if row.layers else ""),
        ("parameters", parameters(row.parameters) if row.parameters is not None else ""),
        ("trained on this task's labels", {True: "yes", False: "no", None: ""}[row.trained_on_labels]),
    ]
    for name, measured in row.metrics.items():
        low, high = measured.ci95
        main = f"{points(measured.value)} (95 % interval {points(low)} to {points(high)})"
        figures.append((f"{METRIC_NAMES[measured.metric]}, {name}", main))
        others = [(metric, value) for metric, value in measured.values.items() if metric != measured.metric]
        figures += [(f"{METRIC_NAMES[metric]}, {name}", points(value)) for metric, value in others]
        if measured.of_teacher is not None:
            figures.append((f"of the teacher, {name}", share(measured.of_teacher)))
        if measured.of_student is not None:
            figures.append((f"of the student, {name}", share(measured.of_student)))
        if measured.difference_to_teacher is not None:
            p = measured.difference_to_teacher.p
            figures.append((f"resamples not above the teacher, {name}", f"{100 * p:.1f} %"))
    if row.seeds is not None:
        said = f"{points(row.seeds.mean)} ± {points(row.seeds.sd)} (mean, sd of {row.seeds.count} seeds)"
        figures.append(("over seeds", said))
    for size, latency in row.latency_ms.items():
        said = f"{duration(latency.p50)} median, {duration(latency.p95)} for 95 of 100"
        figures.append((f"batch of {size}", said))
    if row.peak_memory_mib is not None:
        figures.append(("peak memory", f"{significant(row.peak_memory_mib)} MiB"))
    return [*figures, ("path", row.path or ""), ("note", row.note or "")]


def _pictures(light: Figure | None, dark: Figure | None) -> tuple[str, str] | None:
    """Two renderings of a plot as data addresses, or None where there was nothing to draw."""
    if light is None or dark is None:
        return None
    first, second = (base64.b64encode(png(figure)).decode("ascii") for figure in (light, dark))
    return f"data:image/png;base64,{first}", f"data:image/png;base64,{second}"
