"""report.html: one page that holds everything, reads nothing from the network, and runs no script but its own."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined
from markupsafe import Markup

from decant.errors import InputError
from pipeline.report.answer import headlines
from pipeline.report.engine_table import engine_table
from pipeline.report.evidence import loss_table, paired_table, parity_table, provenance, regression_table
from pipeline.report.glossary import WORDS, explained, explanations
from pipeline.report.grid_table import START, grid_legend, grid_table
from pipeline.report.latency_table import latency_table, search_heading, search_table
from pipeline.report.main_table import label, main_table
from pipeline.report.page.page_rows import PageRow, PageRun, TrainingLogs, page_columns, page_rows
from pipeline.report.page.payload import SNIPPETS, TITLES, embedded_json, payload
from pipeline.report.page.summary import cautions, compared_sentence
from pipeline.report.pick_sentence import pick_notes, pick_sentence
from pipeline.report.row_figures import row_figures
from pipeline.report.rows import Report
from pipeline.report.suite_table import report_suite

TEMPLATE = "page.html.jinja"
SCRIPTS = (
    "dom", "theme", "choice", "words", "filters", "table", "plot_spec", "plot", "detail", "curves", "lengths_spec",
    "lengths", "start",
)  # fmt: skip
FACETS = ("Precision", "Runtime", "Layers", "Dimensions")
OF_TEMPLATES = {
    function.__name__: function
    for function in (
        engine_table, grid_legend, grid_table, headlines, label, latency_table, loss_table, main_table, paired_table,
        parity_table, pick_notes, pick_sentence, provenance, regression_table, report_suite, search_heading,
        search_table,
    )
}  # fmt: skip


def html_report(report: Report, logs: TrainingLogs | None = None, folder: str = ".") -> str:
    """Render one run's page.

    Args:
        report: what to show.
        logs: what its trainings logged, by stage.
        folder: the run's, as commands on the page name it.
    """
    return html_page([PageRun(report, folder, logs or {})])


def html_page(runs: Sequence[PageRun]) -> str:
    """Render the page of one run, or of several beside each other.

    Every text is escaped, wherever it comes from: names, recipes and the compared pairs are other people's. A policy
    in the page lets the browser run the scripts written here and nothing else.

    Args:
        runs: at least one; several are told apart by their labels.

    Returns:
        HTML of less than 3 MB with 500 rows, for light and for dark screens.
    """
    templates = Templates(
        loader=PackageLoader("pipeline.report", "page"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.globals["explained"] = explained  # for macros, which see no context
    style, scripts = _asset("style.css"), [vega_script(), page_script()]
    rows = page_rows(runs)
    several = len(runs) > 1
    content = payload(runs, rows) | {"snippets": SNIPPETS, "snippetTitles": TITLES, "glossary": _words(runs, rows)}
    return templates.get_template(TEMPLATE).render(
        runs=runs, several=several,
        title=", ".join(run.name for run in runs),
        said=compared_sentence(runs) if several else pick_sentence(runs[0].report),
        cautions=cautions(runs),
        columns=page_columns(runs), rows=rows,
        timed=sum("1" in row.row.latency_ms and bool(row.row.metrics) for row in rows),
        licences=_asset("vega_licences.txt"),
        policy=policy(style, scripts),
        style=_raw(style), scripts=[_raw(script) for script in scripts], data=_raw(embedded_json(content)),
        content=content,
        trainings=_trainings(content["training"]),
        recipe_of=lambda run: yaml.safe_dump(run.report.recipe, sort_keys=False, allow_unicode=True),
        START=START, WORDS=WORDS, **OF_TEMPLATES,
    )  # fmt: skip


def _words(runs: Sequence[PageRun], rows: Sequence[PageRow]) -> dict[str, str]:
    """What the script explains: filters, headers and names of figures."""
    headers = [column.header for column in page_columns(runs)]
    figures = [what for row in rows for what, _ in row_figures(row.row)]
    return explanations([*FACETS, *headers, *figures])


def _trainings(logs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each training with its place among the script's."""
    return [one | {"index": index} for index, one in enumerate(logs)]


@cache
def vega_script() -> str:
    """JavaScript that gives the page `window.vegaEmbed`, with Vega in it; about 0.9 MB.

    It is embedded so that the page reads nothing from the network. It comes from vl-convert-python, so its version is
    pinned as that of any other dependency.

    Raises:
        InputError: that package is not installed.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise InputError("the report's page needs vl-convert-python: pip install vl-convert-python") from error
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


def page_script() -> str:
    """The page's own script, of one file a concern."""
    return "(() => {\n'use strict';\n" + "\n".join(_asset(f"scripts/{name}.js") for name in SCRIPTS) + "})();\n"


def policy(style: str, scripts: Sequence[str]) -> str:
    """Content-Security-Policy: this style and these scripts by their digests, and no other source of anything."""
    allowed = " ".join(_digest(script) for script in scripts)
    return f"default-src 'none'; script-src {allowed}; style-src {_digest(style)}; base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _asset(name: str) -> str:
    return files("pipeline.report").joinpath("page", name).read_text(encoding="utf-8")


def _raw(text: str) -> Markup:
    """What no escaping may change; it holds nothing of a run that `embedded_json` has not made harmless."""
    return Markup(text)
