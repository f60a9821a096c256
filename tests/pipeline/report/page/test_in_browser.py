"""The page in Chromium itself, where it and playwright are installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.report.glossary import WORDS
from pipeline.report.html import html_page, html_report
from pipeline.report.page.page_rows import PageRun
from pipeline.report.rows import Report
from pipeline.report.training_logs import TrainingRecord

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'decant[dev]'")
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
POINTS = "#plot .mark-symbol.models path"
ATTACK = "</script><script>document.title='attacked'</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """A function that opens a page and returns it once its plot is drawn; whatever it complains of fails the test."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1100, "height": 800})
    context.set_default_timeout(10_000)

    def open_(html: str, wait_for: str = POINTS) -> Any:
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        page.wait_for_selector(wait_for, state="attached")
        return page

    yield open_
    context.close()
    assert complaints == []


def nested(report: Report) -> Report:
    """With a shallow artifact beside the whole ones."""
    shallow = report.rows[0].model_copy(update={"name": "L3xD384-fp32", "layers": 3, "precision": "fp32"})
    return report.model_copy(update={"rows": (*report.rows, shallow)})


def test_a_filter_changes_the_points_and_the_table(opened: Any, report: Report) -> None:
    page = opened(html_report(nested(report)))
    assert page.locator(POINTS).count() == 6  # the bag of words has no latency
    page.get_by_label("3", exact=True).check()
    page.wait_for_function(f"document.querySelectorAll('{POINTS}').length === 3")  # and the teacher and the peer
    assert page.locator("#rows tbody tr:not([hidden])").count() == 4
    assert (
        page.locator("#shown-count").inner_text()
        == "4 of 7 models in the table, 3 in the plot; without accuracy or latency: bag of words"
    )
    page.get_by_label("Keep teacher and baselines in view").uncheck()
    page.wait_for_function(f"document.querySelectorAll('{POINTS}').length === 1")
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function(f"document.querySelectorAll('{POINTS}').length === 6")


def test_the_table_sorts_both_ways_with_what_was_not_measured_last(opened: Any, report: Report) -> None:
    page = opened(html_report(report))
    header = page.locator("#rows thead th", has_text="ms/text")
    header.get_by_role("button").click()
    column = "[...document.querySelectorAll('#rows tbody tr')].map(row => row.querySelectorAll('td')[4].textContent)"
    assert page.evaluate(column) == ["33.0", "18.0", "17.0", "2.70", "1.30", "–"]
    assert header.get_attribute("aria-sort") == "descending"
    header.get_by_role("button").click()
    assert page.evaluate(column) == ["1.30", "2.70", "17.0", "18.0", "33.0", "–"]
    assert header.get_attribute("aria-sort") == "ascending"


def test_a_point_is_chosen_by_click_and_its_snippet_copied(opened: Any, report: Report) -> None:
    with_folder = report.row("L6xD384-fp32").model_copy(update={"path": "artifacts/it's", "graph_sha256": "abc123"})
    rows = tuple(with_folder if row.name == with_folder.name else row for row in report.rows)
    page = opened(html_report(report.model_copy(update={"rows": rows}), folder="runs/a"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    assert page.locator("#detail-name").inner_text() == "L6xD384-int8 artifact, selected"
    page.locator(POINTS).nth(1).click()
    assert page.locator("#detail-name").inner_text() == "L6xD384-fp32 artifact"
    assert "abc123" in page.locator("#detail").inner_text()
    page.get_by_role("button", name="Copy the snippet").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert 'folder = Path("runs/a/artifacts/it\'s")' in copied
    assert copied == page.locator("#snippet").text_content()
    page.get_by_label("Serve it with").select_option("shell")
    assert page.locator("#snippet").text_content().startswith("decant verify 'runs/a/artifacts/it'\\''s'\n")


def test_a_folder_that_is_gone_is_marked(opened: Any, report: Report) -> None:
    gone = {report.selected: "runs/a/artifacts/x is gone"}
    page = opened(html_page([PageRun(report, label="one"), PageRun(report, label="two", gone=gone)]))
    page.get_by_label("two", exact=True).check()
    page.locator("#rows tbody tr:not([hidden]) button", has_text="L6xD384-int8").click()
    assert "runs/a/artifacts/x is gone" in page.locator("#detail").inner_text()


def test_the_plot_is_read_and_chosen_by_keyboard(opened: Any, report: Report) -> None:
    page = opened(html_report(report))
    page.locator("#plot").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    said = page.locator("#announced").inner_text()
    assert said.startswith("L6xD384-fp32, artifact. Spearman ×100: 86.00, from 84.00 to 87.00.")
    assert page.locator("#tip").is_visible()
    page.keyboard.press("Enter")
    assert page.locator("#detail-name").inner_text() == "L6xD384-fp32 artifact"
    assert page.evaluate("document.activeElement.id") == "detail"


def test_hovering_shows_every_figure(opened: Any, report: Report) -> None:
    page = opened(html_report(report))
    page.locator(POINTS).first.hover()
    page.locator("#tip").wait_for(state="visible")
    told = page.locator("#tip").inner_text()
    for figure in ("85.50 ±1.5", "900", "22.3", "84.50", "0.989660"):
        assert figure in told


def test_the_latency_axis_and_its_scale_can_be_chosen(opened: Any, report: Report) -> None:
    page = opened(html_report(report))
    title = "document.querySelector('#plot').textContent"
    assert "Milliseconds for one text, median, log scale" in page.evaluate(title)
    page.locator("#cost").select_option("1/p95")
    page.locator("#log").uncheck()
    page.wait_for_function(f"!{title}.includes('log scale')")
    assert "Milliseconds for one text, 95 of 100 calls below" in page.evaluate(title)


def test_runs_are_filtered_by_their_labels(opened: Any, report: Report) -> None:
    page = opened(html_page([PageRun(report, label="one"), PageRun(report, label="two")]))
    assert page.locator(POINTS).count() == 10
    page.get_by_label("two", exact=True).check()
    page.wait_for_function(f"document.querySelectorAll('{POINTS}').length === 5")
    assert page.locator("#rows tbody tr:not([hidden])").count() == 6


def test_script_in_names_and_data_does_not_run(opened: Any, report: Report) -> None:
    row = report.rows[0].model_copy(update={"name": ATTACK, "note": ATTACK, "path": ATTACK, "precision": ATTACK})
    attacked = report.model_copy(
        update={"rows": (row, *report.rows[1:]), "selected": ATTACK, "recipe": {"name": "the run"}, "notes": (ATTACK,)}
    )
    page = opened(html_report(attacked, {ATTACK: [TrainingRecord(step=step, loss=1.0) for step in range(3)]}, ATTACK))
    assert page.title() == "the run · Decant report"
    page.locator(POINTS).first.hover()
    assert page.locator("#tip b").inner_text() == ATTACK
    assert page.locator("#detail-name").inner_text() == f"{ATTACK} artifact, selected"


def test_training_is_drawn(opened: Any, report: Report) -> None:
    records = [TrainingRecord(step=step, loss=1 / (1 + step), dev=step / 10) for step in range(5)]
    page = opened(html_report(report, {"student": records}), "[data-curve=dev] svg")
    assert page.locator("[data-curve] svg").count() == 2
    assert (
        "student: Spearman ×100, on the development pairs, at best 40.00, at step 4"
        in page.locator("figcaption").inner_text()
    )


def test_latency_by_length_is_drawn_once_it_is_near_and_filtered(opened: Any, report: Report) -> None:
    page = opened(html_report(report))
    lines, points = "#lengths .mark-line path", "#lengths .mark-symbol.times path"
    page.set_viewport_size({"width": 1100, "height": 200})
    page.locator("#lengths").scroll_into_view_if_needed()
    page.wait_for_selector(points, state="attached")
    assert (page.locator(lines).count(), page.locator(points).count()) == (2, 3)
    page.get_by_label("int8", exact=True).check()
    page.get_by_label("Keep teacher and baselines in view").uncheck()
    page.wait_for_function(f"document.querySelectorAll('{points}').length === 2")
    assert page.locator("#lengths text", has_text="L6xD384-int8").count() == 1
    page.get_by_label("int8", exact=True).uncheck()
    page.get_by_label("torch", exact=True).check()
    page.locator("#lengths-empty").wait_for(state="visible")


def test_filters_that_leave_nothing_say_so(opened: Any, report: Report) -> None:
    page = opened(html_report(nested(report)))
    assert page.locator("#nothing-shown").is_hidden()
    page.get_by_label("Keep teacher and baselines in view").uncheck()
    page.get_by_label("3", exact=True).check()
    page.get_by_label("int8", exact=True).check()
    page.locator("#nothing-shown").wait_for(state="visible")
    assert page.locator("#rows tbody tr:not([hidden])").count() == 0
    assert page.locator("#shown-count").inner_text() == "0 of 7 models in the table, 0 in the plot"
    page.get_by_role("button", name="Show all").click()
    page.wait_for_selector(POINTS, state="attached")
    assert page.locator("#nothing-shown").is_hidden()


def test_on_a_phone_points_are_numbered_and_the_numbers_are_told(opened: Any, report: Report) -> None:
    page = opened(html_report(report))
    assert page.locator("#plot-names").is_hidden()
    page.set_viewport_size({"width": 390, "height": 800})
    page.locator("#plot-names").wait_for(state="visible")
    told = page.locator("#plot-names li").all_inner_texts()
    assert told == ["L6xD384-int8 85.50", "L6xD384-fp32 86.00", "student 86.00", "peer 82.00", "big 85.00"]
    written = page.locator("#plot .mark-text.role-mark text").all_text_contents()
    assert {text for text in written if text.isdecimal()} >= {"1", "2", "5"}
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_each_line_of_latency_by_length_has_its_name(opened: Any, report: Report) -> None:
    page = opened(html_report(report))
    page.locator("#lengths").scroll_into_view_if_needed()
    page.wait_for_selector("#lengths .mark-text.names text", state="attached")
    assert set(page.locator("#lengths .mark-text.names text").all_text_contents()) == {"peer", "L6xD384-int8"}
    heights = [box["y"] for box in boxes(page, "#lengths .mark-text.names text")]
    assert abs(heights[0] - heights[1]) > 12


def boxes(page: Any, selector: str) -> list[dict[str, float]]:
    return [one.bounding_box() for one in page.locator(selector).all()]


@pytest.mark.parametrize("width", [1100, 390])
def test_the_snippet_needs_no_sideways_scrolling(width: int, opened: Any, report: Report) -> None:
    page = opened(html_report(report))
    page.set_viewport_size({"width": width, "height": 800})
    wide, room, of = page.evaluate(
        "(() => { const one = document.querySelector('#snippet');"
        " return [one.scrollWidth, one.clientWidth, document.querySelector('#detail').clientWidth]; })()"
    )
    assert wide <= room
    assert room > 0.85 * of, "it has the whole width"


def test_a_word_is_explained_by_keyboard_and_escape_hides_it(opened: Any, report: Report) -> None:
    page = opened(html_report(report))
    word = page.locator("#rows thead button", has_text="ms/text")
    assert word.get_attribute("title") == WORDS["ms/text"]
    page.locator("#rows thead button", has_text="texts/s").focus()
    page.keyboard.press("Tab")
    assert page.locator("#tip").inner_text() == WORDS["ms/text"]
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
    parity = page.locator("abbr.term", has_text="min cosine to the exported model")
    parity.focus()
    assert page.locator("#tip").inner_text() == WORDS["min cosine"]
    assert page.locator("#facets abbr.term", has_text="Precision").get_attribute("title") == WORDS["precision"]


def test_500_rows_are_all_drawn(opened: Any, report: Report) -> None:
    rows = [
        report.rows[0].model_copy(update={"name": f"row {index}", "layers": index % 12, "precision": f"p{index % 5}"})
        for index in range(500)
    ]
    page = opened(html_report(report.model_copy(update={"rows": tuple(rows), "selected": None})))
    assert page.locator(POINTS).count() == 500


def test_without_a_plot_the_table_still_works(opened: Any, report: Report) -> None:
    bare = report.model_copy(update={"rows": (report.row("bag of words"),), "selected": None})
    page = opened(html_report(bare), "#detail h3")
    assert page.locator("#shown-count").inner_text() == "1 of 1 models in the table"
    assert page.locator("#plot").count() == 0


def test_a_long_label_of_a_run_leaves_room_for_the_plot(opened: Any, report: Report) -> None:
    runs = [PageRun(report, label, {}, label) for label in ("long " * 60, "other " * 60)]
    page = opened(html_page(runs))
    plot = page.locator("#plot svg .mark-symbol.models").bounding_box()
    assert plot["width"] > 300
    assert plot["height"] > 150


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_axe_finds_no_serious_violation(scheme: str, width: int, opened: Any, report: Report) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe: pip install 'decant[dev]'")
    records = [TrainingRecord(step=step, loss=1 / step, dev=step / 10 if step % 2 else None) for step in range(1, 6)]
    page = opened(html_report(nested(report), {"student": records}))
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.locator("#lengths").scroll_into_view_if_needed()
    page.wait_for_selector("#lengths .mark-symbol.times path", state="attached")
    found = axe.Axe().run(page).response
    assert len(found["passes"]) > 20
    grave = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"]) for one in grave] == []
