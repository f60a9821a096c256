"""The same figure of the same row is the same text in every form of one report."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from decant.table import MISSING
from pipeline.measure.set_metrics import Difference
from pipeline.measure.speed import Latency
from pipeline.report.answer import answer, headlines
from pipeline.report.best_other import best_other
from pipeline.report.build import build_report
from pipeline.report.card import CardFacts, model_card
from pipeline.report.evidence import paired_table, parity_table
from pipeline.report.figures import cosine, difference, points, significant
from pipeline.report.html import html_report
from pipeline.report.main_table import main_metrics, main_table, references
from pipeline.report.row_figures import row_figures
from pipeline.report.rows import Parity, Report, Row
from pipeline.report.terminal import plain_report, show_report
from pipeline.report.training_logs import TrainingRecord
from pipeline.report.training_plot import training_curves
from tests.pipeline.report.test_html import Tags

SET = "stsb/test"
Figures = dict[str, dict[str, str]]


def awkward(report: Report, seed: int) -> Report:
    """The same rows with figures whose last decimals are anything, and bootstrap means that are not the differences."""
    draw = np.random.default_rng(seed)
    teacher = float(draw.uniform(0.6, 0.9))

    def of(row: Row) -> Row:
        value = teacher if row.kind == "teacher" else float(draw.uniform(0.6, 0.9))
        gain = value - teacher + float(draw.normal(0, 3e-4))
        low, high = value - float(draw.uniform(0, 0.02)), value + float(draw.uniform(0, 0.02))
        paired = Difference(mean=gain, ci95=(gain - 0.015, gain + 0.015), p=float(draw.uniform()))
        measured = row.metrics[SET].model_copy(
            update={"spearman": value, "ci95": (low, high), "difference_to_teacher": paired}
        )
        changes: dict[str, object] = {"metrics": {SET: measured}}
        if row.latency_ms:
            p50 = float(10 ** draw.uniform(-1, 2.9))
            changes["latency_ms"] = {"1": Latency(p50=p50, p95=p50 * 1.1)}
        for name in ("texts_per_second", "size_mib"):
            if getattr(row, name) is not None:
                changes[name] = float(10 ** draw.uniform(0, 4))
        if row.parity is not None:
            changes["parity"] = Parity(
                min_cosine=float(draw.uniform(0.99, 1)), batch_invariance=float(draw.uniform(0.99, 1))
            )
        return row.model_copy(update=changes)

    return report.model_copy(update={"rows": tuple(map(of, report.rows))})


def of_markdown(text: str) -> Figures:
    """The first table of a text, by row and header."""
    lines = [one for one in text.splitlines() if one.startswith("| ")]
    cells = [[cell.strip().strip("*") for cell in one.strip("| ").split(" | ")] for one in lines]
    header = cells[0]
    rows = [one for one in cells[2:] if len(one) == len(header)]
    return {row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in rows[: len(lines) - 2]}


def of_terminal(text: str, headers: list[str]) -> Figures:
    found = {}
    for one in text.splitlines():
        cells = re.split(r" {2,}", one.lstrip("> ").strip())
        if len(cells) == len(headers) and cells[0] not in ("model", ""):
            found.setdefault(cells[0], dict(zip(headers[1:], cells[1:], strict=True)))
    return found


def of_page(page: str) -> tuple[Figures, dict[str, dict[str, object]]]:
    """The main table of the page, and the rows that its script reads, by the row's name."""
    tags = Tags()
    tags.feed(page)
    headers = re.findall(r'data-name="([^"]+)"', page)
    rows = re.findall(r'<tr id="row\d+".*?<button type="button">([^<]*)</button>(.*?)</tr>', page, re.DOTALL)
    table = {name: dict(zip(headers, re.findall(r"<td[^>]*>([^<]*)</td>", cells), strict=True)) for name, cells in rows}
    return table, {row["name"]: row for row in tags.content["rows"]}  # type: ignore[index,union-attr]


@pytest.mark.parametrize("seed", range(8))
def test_every_form_of_a_report_writes_every_figure_alike(seed: int, report: Report, tmp_path: Path) -> None:
    shown = awkward(report, seed)
    headers = [column.header for column in main_table(shown).columns]
    expected = {
        line.cells[0].text: {header: cell.text for header, cell in zip(headers[1:], line.cells[1:], strict=True)}
        for line in main_table(shown).lines
    }
    build_report(shown, tmp_path)
    page, payload = of_page((tmp_path / "report.html").read_text(encoding="utf-8"))
    page = {name: {header: cells[header] for header in headers[1:]} for name, cells in page.items()}
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    paper = io.StringIO()
    show_report(shown, Console(file=paper, width=200, force_terminal=True, color_system=None))
    card = of_markdown(model_card(shown, shown.selected or "", CardFacts(max_length=128)))
    assert card.keys() == expected.keys() - {"L6xD384-fp32"}
    for found in (of_markdown(markdown), page, of_terminal(plain_report(shown), headers), card):
        assert found == {name: expected[name] for name in found}
    assert of_terminal(paper.getvalue(), headers) == of_terminal(plain_report(shown), headers) == expected
    written = {row["name"]: row for row in json.loads((tmp_path / "report.json").read_text())["rows"]}
    for row in shown.rows:
        agrees(row, expected, payload[row.name], written[row.name], shown)


def agrees(row: Row, main: Figures, payload: dict[str, object], written: dict[str, object], report: Report) -> None:
    """What stands of a row elsewhere is what the main table has."""
    cells, told, said = main[row.name], dict(row_figures(row)), payload["said"]
    value = cells["Spearman"].split()[0]
    assert payload["figures"] == [list(one) for one in row_figures(row)] or payload["figures"] == row_figures(row)
    assert value == points(written["metrics"][SET]["spearman"])  # type: ignore[index]
    assert said["value"].split(",")[0] == told[f"Spearman, {SET}"].split()[0] == value  # type: ignore[index]
    low, high = re.findall(r"[\d.]+", told[f"Spearman, {SET}"])[-2:]
    assert said["value"] == f"{value}, from {low} to {high}"  # type: ignore[index]
    if row.kind != "teacher":
        teacher = main["big"]["Spearman"].split()[0]
        assert cells["vs teacher"] == f"{float(value) - float(teacher):+.2f}"
        paired = {line.cells[0].text: line.cells[1].text for line in paired_table(report).lines}
        assert paired[row.name] == cells["vs teacher"]
    if row.latency_ms:
        assert said["1/p50"] == f"{cells['ms/text']} ms"  # type: ignore[index]
        assert told["batch of 1"].startswith(f"{cells['ms/text']} ms median, {said['1/p95']} for")  # type: ignore[index]
        assert cells["ms/text"] == significant(written["latency_ms"]["1"]["p50"])  # type: ignore[index]
    assert cells["MiB"] == (MISSING if row.size_mib is None else significant(row.size_mib))
    if row.parity is not None:
        parity = {line.cells[0].text: [cell.text for cell in line.cells[1:3]] for line in parity_table(report).lines}
        assert parity[row.name] == [cosine(row.parity.min_cosine), cosine(row.parity.batch_invariance)]
        assert parity[row.name] == [told[name] for name in told if name.startswith("lowest cosine")]
        assert all(one in model_card(report, row.name, CardFacts(max_length=128)) for one in parity[row.name])


@pytest.mark.parametrize("seed", range(8))
def test_the_answer_and_the_tiles_say_what_the_table_says(seed: int, report: Report) -> None:
    shown = awkward(report, seed)
    (line,) = [one for one in main_table(shown).lines if one.picked]
    cells = {column.header: cell.text for column, cell in zip(main_table(shown).columns, line.cells, strict=True)}
    refer, picked = references(shown), shown.row(shown.selected or "")
    best = main_metrics(best_other(shown, picked, refer), refer)
    own = main_metrics(picked, refer)
    assert best is not None
    assert own is not None
    gain = difference(own.value, best.value)
    said, tiles = answer(shown), [headline.value for headline in headlines(shown)]
    for figure in (cells["Spearman"].split()[0], gain.lstrip("+-"), cells["MiB"], cells["× teacher"]):
        assert figure in said
    assert tiles[:2] == [cells["Spearman"].split()[0], gain]
    assert f"{cells['ms/text']} ms" in tiles
    assert f"{cells['MiB']} MiB" in tiles


def test_a_difference_is_that_of_the_figures_beside_it() -> None:
    assert (points(0.87975), points(0.847349)) == ("87.98", "84.73")
    assert difference(0.87975, 0.847349) == "+3.25"
    assert difference(0.8, 0.8) == difference(0.800001, 0.8) == "+0.00"
    assert difference(0.799999, 0.8) == "+0.00"


@pytest.mark.parametrize("dev", [0.879749, 0.87975, 0.8797501, 0.84145])
def test_the_best_development_figure_is_one_text(dev: float, report: Report) -> None:
    records = [TrainingRecord(step=step, dev=value) for step, value in ((10, 0.5), (20, dev), (30, dev))]
    figure = training_curves(records)
    assert figure is not None
    assert f"best {points(dev)} at step 20" in figure.axes[0].get_title(loc="left")
    assert f"at best {points(dev)}, at step 20" in html_report(report, {"student": records})
