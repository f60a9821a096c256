"""The report as Markdown: report.md, and the table in model cards."""

from collections.abc import Sequence

from pipeline.report.answer import answer
from pipeline.report.engine_table import HEADER, NUMERIC, engine_cells, engine_legend
from pipeline.report.figures import duration
from pipeline.report.grid_table import grid_cell, grid_header, grid_legend, grid_rows
from pipeline.report.latency_table import latency_header, latency_legend, latency_rows
from pipeline.report.machine import Environment
from pipeline.report.mined_sentence import mined_sentence
from pipeline.report.rows import Report, Row
from pipeline.report.table import columns, label, legend, sorted_rows

SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\|`*_[]#~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " "})


def markdown_table(report: Report, only: Sequence[str] | None = None, bold: str | None = None) -> str:
    """Lay the main table out as Markdown, one row bold.

    Args:
        report: what to show.
        only: names of the rows to show; None: all.
        bold: name of the bold row; None: the selected one.

    Returns:
        Lines of a pipe table, without a final newline.
    """
    shown = columns(report)
    lines = [
        "| " + " | ".join(column.header for column in shown) + " |",
        "| " + " | ".join("---:" if column.numeric else ":---" for column in shown) + " |",
    ]
    for row in sorted_rows(report):
        if only is None or row.name in only:
            cells = [escape(column.cell(row)) for column in shown]
            mark = "**" if row.name == (bold or report.selected) else ""
            lines.append("| " + " | ".join(f"{mark}{cell}{mark}" for cell in cells) + " |")
    return "\n".join(lines)


def markdown_report(
    report: Report,
    accuracy_plot: str | None = None,
    training_plot: str | None = None,
    grid_plot: str | None = None,
    mined_plot: str | None = None,
) -> str:
    """Write report.md.

    Args:
        report: what to show.
        accuracy_plot: file name of the plot beside it, or None.
        training_plot: likewise.
        grid_plot: likewise.
        mined_plot: likewise.
    """
    name = str(report.recipe.get("name", "report"))
    parts = [f"# {escape(name)}", f"**{escape(answer(report))}**", markdown_table(report)]
    parts.append("\n".join(f"- {sentence}" for sentence in map(escape, legend(report))))
    if accuracy_plot:
        parts.append(f"![Accuracy against latency]({accuracy_plot})")
    parts += _grid(report, grid_plot)
    parts += _latency(report)
    parts += _one_against_many(report)
    parts += parity_lines(report)
    parts += _engines(report)
    if report.mined is not None:
        parts += ["## Mined pairs", escape(mined_sentence(report.mined))]
        parts += [f"![Teacher's cosines without and with the mined pairs]({mined_plot})"] if mined_plot else []
    if training_plot:
        parts += ["## Training", f"![Training curves]({training_plot})"]
    parts += ["## Measured on", escape(machine(report.environment))]
    if report.notes:
        parts += ["## Notes", "\n".join(f"- {escape(note)}" for note in report.notes)]
    return "\n\n".join(parts) + "\n"


def parity_lines(report: Report) -> list[str]:
    """Heading and table of the parity figures; nothing where none were measured."""
    rows = [row for row in sorted_rows(report) if row.parity is not None]
    if not rows:
        return []
    lines = ["| model | min cosine to the exported model | min cosine alone/in a batch | gate |"]
    lines.append("| :--- | ---: | ---: | :--- |")
    lines += [f"| {escape(label(row))} | {' | '.join(parity_cells(row))} |" for row in rows]
    return ["## Parity", "\n".join(lines)]


def parity_cells(row: Row) -> tuple[str, str, str]:
    """A row's parity figures, and whether its gates hold."""
    if row.parity is None:
        raise ValueError(f"row {row.name!r} has no parity figures")
    said = {True: "passed", False: "FAILED", None: "none set"}[row.parity.passed]
    return f"{row.parity.min_cosine:.5f}", f"{row.parity.batch_invariance:.5f}", said


def machine(environment: Environment) -> str:
    """One line on the machine and the libraries."""
    features = f" ({', '.join(environment.cpu_features)})" if environment.cpu_features else ""
    parts = [
        f"{environment.cpu}{features}",
        f"{environment.cores} cores, {environment.threads} threads",
        f"{environment.memory_gib:g} GiB" if environment.memory_gib else "",
        environment.gpu or "no GPU",
        f"{environment.os}",
        f"Python {environment.python}",
        ", ".join(f"{name} {version}" for name, version in environment.libraries.items()),
    ]
    return "; ".join(part for part in parts if part) + "."


def escape(text: str) -> str:
    """Keep Markdown and HTML characters of a text from being read as markup."""
    return text.translate(SPECIAL)


def _grid(report: Report, plot: str | None) -> list[str]:
    """Heading, picture, table and legend of the cuts; nothing where none were measured."""
    grid = report.grid
    if grid is None:
        return []
    header = grid_header(grid)
    lines = [f"| {' | '.join(header)} |", f"| :--- |{' ---: |' * (len(header) - 1)}"]
    for row in grid_rows(grid):
        lines.append(f"| {row.name} | {' | '.join(grid_cell(row, cell) for cell in row.cells)} |")
    picture = [f"![Accuracy by layers and dimensions]({plot})"] if plot else []
    legend_lines = "\n".join(f"- {escape(sentence)}" for sentence in grid_legend(grid))
    return ["## Every cut", *picture, "\n".join(lines), legend_lines]


def _engines(report: Report) -> list[str]:
    """Heading, table and legend of the TensorRT engines; nothing where none were built."""
    if not report.engines:
        return []
    lines = [f"| {' | '.join(HEADER)} |"]
    lines.append(f"| {' | '.join('---:' if name in NUMERIC else ':---' for name in HEADER)} |")
    lines += [f"| {' | '.join(map(escape, engine_cells(engine)))} |" for engine in report.engines]
    legend_lines = "\n".join(f"- {escape(sentence)}" for sentence in engine_legend(report.engines))
    return ["## TensorRT engines", "\n".join(lines), legend_lines]


def _latency(report: Report) -> list[str]:
    """Heading, table and legend of what one text's milliseconds are made of; nothing where it was not measured."""
    rows = latency_rows(report)
    if not rows:
        return []
    header = latency_header(report)
    lines = [f"| {' | '.join(header)} |", f"| :--- |{' ---: |' * (len(header) - 1)}"]
    lines += [f"| {escape(one.name)} | {' | '.join(one.cells)} |" for one in rows]
    legend_lines = "\n".join(f"- {escape(sentence)}" for sentence in latency_legend(report))
    return ["## Where one text's milliseconds go", "\n".join(lines), legend_lines]


def _one_against_many(report: Report) -> list[str]:
    rows = [(row, row.one_against_many) for row in sorted_rows(report) if row.one_against_many is not None]
    if not rows:
        return []
    lines = ["| model | one query | embedding all candidates, once |", "| :--- | ---: | ---: |"]
    for row, cost in rows:
        once = duration(1000 * cost.index_seconds) if cost.index_seconds is not None else "not possible"
        star = f" (extrapolated from {cost.sampled} pairs)" if cost.extrapolated else ""
        lines.append(f"| {escape(label(row))} | {duration(cost.query_ms.p50)}{star} | {once} |")
    return [f"## One query against {rows[0][1].candidates:,} texts", "\n".join(lines)]
