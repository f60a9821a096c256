"""In Chromium, where it is installed: no text of a report runs as a script, whichever place it stands in."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.report.html import html_page, html_report
from pipeline.report.page.page_rows import PageRun
from pipeline.report.rows import Report
from pipeline.report.training_logs import TrainingRecord
from tests.pipeline.report.conftest import environment as environment
from tests.pipeline.report.conftest import grid as grid
from tests.pipeline.report.conftest import mined as mined
from tests.pipeline.report.conftest import report as report
from tests.pipeline.report.page.test_in_browser import CHROMIUM, POINTS
from tests.pipeline.report.page.test_in_browser import browser as browser
from tests.pipeline.report.page.test_in_browser import opened as opened
from tests.security.attacked import attack, attacked

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
RECORDS = [TrainingRecord(step=step, loss=1.0) for step in range(3)]
RAN = "window.attacked"


@pytest.fixture
def bad(report: Report, grid: object, mined: object) -> Report:
    return attacked(report.model_copy(update={"grid": grid, "mined": mined, "left_out": ("one",)}))[0]


def test_the_attack_would_run(opened: Any) -> None:
    page = opened(f"<p id=plot>{attack(7).replace('src=x', '')}</p>", "#plot")
    assert page.evaluate(RAN) == 7


def use(page: Any) -> None:
    """Have what is drawn later drawn: tips, details, snippets."""
    for point in page.locator(POINTS).all()[:6]:
        point.dispatch_event("mousemove")
        point.dispatch_event("click")
    page.locator("#plot").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")


def test_a_report_of_attacks_runs_none(opened: Any, bad: Report) -> None:
    page = opened(html_report(bad, {attack(0): RECORDS}, attack(1)))
    use(page)
    assert page.evaluate(f"{RAN} === undefined")
    assert "<script>" in page.locator("body").inner_text(), "the texts are shown as they are"


def test_a_page_of_several_runs_runs_none(opened: Any, bad: Report, report: Report) -> None:
    runs = [PageRun(one, label, {label: RECORDS}, label) for one, label in ((bad, attack(8)), (report, attack(9)))]
    page = opened(html_page(runs))
    use(page)
    assert page.evaluate(f"{RAN} === undefined")
