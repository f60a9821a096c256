"""Every word of ours that the page and the terminal head a column or a section with is explained."""

import re
from pathlib import Path

import pytest

from decant.table import Table
from pipeline.measure.grid import Grid
from pipeline.report.engine_table import COLUMNS
from pipeline.report.evidence import loss_table, paired_table, parity_table
from pipeline.report.glossary import FORMS, WORDS, explained, glossary_page
from pipeline.report.grid_table import grid_table
from pipeline.report.html import FACETS, html_report
from pipeline.report.latency_table import latency_table
from pipeline.report.main_table import main_table
from pipeline.report.row_figures import row_figures
from pipeline.report.rows import Mined, Report
from tests.pipeline.report.test_html import Tags

# Words that everybody knows, and those that the legend below their table explains.
PLAIN = {
    "built in", "embedding all candidates, once", "kept in float32", "note", "of the greatest", "one query", "runs on",
    "share", "state", "form",
}  # fmt: skip
ASKED = ("parity", "grid", "exit", "cut", "× torch", "resamples", "min cosine", "batch invariance", "pick", "budget")


def tables(report: Report, grid: Grid) -> list[Table]:
    shared = [row.model_copy(update={"sharing": "2–4"}) for row in report.rows]
    main = main_table(report.model_copy(update={"rows": tuple(shared)}))
    found = [main, latency_table(report), grid_table(grid), paired_table(report), parity_table(report)]
    return [*found, loss_table(report.rows[0]), Table(COLUMNS, ())]


def test_every_header_and_filter_is_explained(report: Report, grid: Grid) -> None:
    headers = [column.header for table in tables(report, grid) for column in table.columns]
    assert [one for one in [*headers, *FACETS, *ASKED] if not explained(one) and one not in PLAIN] == []
    assert len(set(headers)) > 30


def test_figures_of_a_row_are_explained_or_plain(report: Report) -> None:
    figures = {what for row in report.rows for what, _ in row_figures(row)}
    figures = {one for one in figures if not re.match(r"batch of \d|of the |one text of|tokenizer \+", one)}
    assert {one for one in figures if not explained(one) and one not in PLAIN} == set()


def test_the_page_explains_them_where_they_stand_and_at_its_end(report: Report, grid: Grid, mined: Mined) -> None:
    page = html_report(report.model_copy(update={"grid": grid, "mined": mined}))
    tags = Tags()
    tags.feed(page)
    terms = [attributes for _, attributes in tags.seen if attributes.get("class") == "term"]
    titles = {attributes["title"] for attributes in terms}
    for word in ("ms/text", "× torch", "min cosine", "batch invariance", "resamples", "cut", "parity", "mined pairs"):
        assert WORDS[word] in titles, word
    assert all(one.get("tabindex") == "0" or one.get("type") == "button" for one in terms), "reached by keyboard"
    assert set(WORDS) <= {word.strip() for word in tags.words}
    assert tags.content["glossary"]["Precision"] == WORDS["precision"]  # type: ignore[index]


def test_forms_lead_to_words() -> None:
    assert set(FORMS.values()) <= set(WORDS)
    assert explained("1,024 tokens") == WORDS["token"]
    assert explained("Spearman, stsb/test") == WORDS["Spearman"]
    assert explained("something else") == ""


@pytest.mark.parametrize("word", WORDS)
def test_each_is_one_line(word: str) -> None:
    assert len(WORDS[word]) <= 130
    assert "\n" not in WORDS[word]
    assert not WORDS[word].endswith(".")


def test_the_page_of_the_docs_is_made_from_them() -> None:
    page = Path(__file__).parents[3] / "docs" / "glossary.md"
    assert page.read_text(encoding="utf-8") == glossary_page(), "python -m pipeline.report.glossary > docs/glossary.md"
