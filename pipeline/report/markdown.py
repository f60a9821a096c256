"""The report as Markdown: report.md, and the table in model cards."""

from collections.abc import Sequence

from decant.table import Table, bullets, escape, markdown
from pipeline.report.engine_table import engine_table
from pipeline.report.evidence import parity_table
from pipeline.report.grid_table import grid_table
from pipeline.report.latency_table import latency_table, search_heading, search_table
from pipeline.report.machine import Environment
from pipeline.report.main_table import main_table
from pipeline.report.pick_sentence import pick_notes, pick_sentence
from pipeline.report.rows import Report
from pipeline.report.suite_table import report_suite


def markdown_table(report: Report, only: Sequence[str] | None = None, bold: str | None = None) -> str:
    """Lay the main table out as Markdown, one row bold.

    Args:
        report: what to show.
        only: names of the rows to show; None: all.
        bold: name of the bold row; None: the selected one.

    Returns:
        Lines of a pipe table, without a final newline.
    """
    return markdown(main_table(report, only, bold), bold=True)


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
    main = main_table(report)
    parts = [f"# {escape(name)}", f"**{escape(pick_sentence(report))}**", *map(escape, pick_notes(report))]
    parts += [markdown(main, bold=True), bullets(main.legend)]
    if accuracy_plot:
        parts.append(f"![Accuracy against latency]({accuracy_plot})")
    parts += _section("The suite", report_suite(report))
    if report.grid is not None:
        picture = f"![Accuracy by layers and dimensions]({grid_plot})" if grid_plot else ""
        parts += _section("Every cut", grid_table(report.grid), picture)
    parts += _section("Where one text's milliseconds go", latency_table(report))
    parts += _section(search_heading(report), search_table(report), legend=False)
    parts += _section("Parity", parity_table(report))
    parts += _section("TensorRT engines", engine_table(report))
    if report.mined is not None:
        parts += ["## Mined pairs", escape(report.mined.sentence)]
        parts += [f"![Teacher's cosines without and with the mined pairs]({mined_plot})"] if mined_plot else []
    if training_plot:
        parts += ["## Training", f"![Training curves]({training_plot})"]
    parts += ["## Measured on", escape(machine(report.environment))]
    if report.notes:
        parts += ["## Notes", bullets(report.notes)]
    return "\n\n".join(parts) + "\n"


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


def _section(heading: str, table: Table, picture: str = "", *, legend: bool = True) -> list[str]:
    """Heading, picture, table and legend; nothing where the table is empty."""
    if not table.lines:
        return []
    parts = [f"## {heading}", picture, markdown(table), bullets(table.legend) if legend else ""]
    return [part for part in parts if part]
