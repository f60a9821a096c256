"""No text of a report becomes a tag, an attribute or a script of a page, or HTML in a Markdown file."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

import pytest

from pipeline.report.html import html_page, html_report
from pipeline.report.markdown import markdown_report
from pipeline.report.page.page_rows import PageRun
from pipeline.report.rows import Report
from pipeline.report.training_logs import TrainingRecord
from tests.pipeline.report.conftest import environment as environment
from tests.pipeline.report.conftest import grid as grid
from tests.pipeline.report.conftest import mined as mined
from tests.pipeline.report.conftest import report as report
from tests.security.attacked import attack, attacked

LOGS = {"student": [TrainingRecord(step=step, loss=1.0) for step in range(3)]}


class Tags(HTMLParser):
    """Counts a page's tags with the names of their attributes, and notes links that run script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: Counter[tuple[str, ...]] = Counter()
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag, *sorted(name for name, _ in attrs)] += 1
        self.scripts += [name for name, value in attrs if name.startswith("on") or "javascript:" in str(value)[:20]]


@pytest.fixture
def whole(report: Report, grid: object, mined: object) -> Report:
    return report.model_copy(update={"grid": grid, "mined": mined, "left_out": ("one",)})


def test_a_page_has_the_same_tags_whatever_the_texts_are(whole: Report) -> None:
    bad, count = attacked(whole)
    assert count > 30
    plain, spoilt = Tags(html_report(whole, LOGS)), Tags(html_report(bad, {attack(0): LOGS["student"]}, attack(1)))
    assert plain.scripts == spoilt.scripts == []
    harmful = [tag for tag in spoilt.found - plain.found if tag[0] in {"script", "img", "iframe", "svg", "style"}]
    assert harmful == []


def test_a_page_of_several_runs_too(whole: Report) -> None:
    bad, _ = attacked(whole)
    runs = [PageRun(one, label, LOGS, label) for one, label in ((bad, attack(0)), (whole, attack(1)))]
    spoilt = Tags(html_page(runs))
    assert spoilt.scripts == []
    assert not [tag for tag in spoilt.found if tag[0] == "iframe" or "onerror" in tag or "onload" in tag]


def test_markdown_holds_no_html_of_a_text(whole: Report) -> None:
    bad, _ = attacked(whole)
    text = markdown_report(bad)
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "attacked=" in text
