"""What files and arguments hold does not steer the terminal that an error is shown on."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from decant.errors import LINE_CHARACTERS, GateError, InputError, shown
from pipeline.measure.grid import Grid
from pipeline.report.rows import Report
from pipeline.report.terminal import show_report
from pipeline.screen.text_console import text_console
from tests.pipeline.report.conftest import environment as environment
from tests.pipeline.report.conftest import grid as grid
from tests.pipeline.report.conftest import report as report
from tests.pipeline.report.conftest import stand_artifacts
from tests.test_bad_input import assert_refused
from tests.tiny_runs import decant

STEERING = "\x1b]0;owned\x07"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("a\nb\r\u2028\x85", "a\\nb\\r\\u2028\\x85"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\ud800", "\\ud800"),
        ("naïve 距離 ☕ a\u00a0b", "naïve 距離 ☕ a\u00a0b"),
    ],
)
def test_a_line_shows_what_it_quotes(given: str, expected: str) -> None:
    assert shown(given) == expected
    assert str(InputError(given)) == str(GateError(given)) == expected


def test_a_line_is_short_and_several_errors_are_several_lines() -> None:
    assert len(shown("x" * 10**6)) == LINE_CHARACTERS
    assert shown("x" * LINE_CHARACTERS) == "x" * LINE_CHARACTERS
    assert len(shown("\x1b" * LINE_CHARACTERS)) == LINE_CHARACTERS
    assert str(InputError("a\nb", "c")) == "a\\nb\nc"


def test_columns_and_options_are_quoted_harmlessly(project: Path, artifact: Path) -> None:
    table = project.with_name("bad.tsv")
    table.write_text("\x1b]0;owned\x07\t\u202eb\na\tb\n", encoding="utf-8")
    said = decant("eval", artifact, "--pairs", table)
    assert_refused(said, "no column 'sentence1'")
    for command in (["encode", artifact, "--format", "\x1b[2J\n"], ["nosuch\x1b[2J"], ["validate", "a\nb\x1b.yaml"]):
        said = decant(*command)
        assert said.code == 2
        assert "\x1b" not in said.err
        assert len(said.lines) == 1


def test_names_in_a_report_do_not_steer_the_terminal(report: Report, grid: Grid, tmp_path: Path) -> None:
    bad = report.model_copy(update={"grid": grid}).model_dump(mode="json")
    bad["environment"]["cpu"] = bad["notes"][0] = STEERING
    for row in bad["rows"]:
        row["name"] += STEERING
    bad["selected"] += STEERING
    for run in ("one", "other"):
        (tmp_path / run / "report").mkdir(parents=True)
        stand_artifacts(Report.model_validate(bad), tmp_path / run)
        (tmp_path / run / "report" / "report.json").write_text(json.dumps(bad), encoding="utf-8")
    one, other = tmp_path / "one", tmp_path / "other"
    for command in (["report", one], ["pick", one], ["compare", one, other, "--out", tmp_path / "page.html"]):
        said = decant(*command)
        assert said.code == 0, said.err
        assert "\x1b" not in said.text + said.err
        assert r"\x1b]0;owned\x07" in said.text
    paper = io.StringIO()
    show_report(Report.model_validate(bad), text_console(file=paper, width=300, force_terminal=True))
    assert "\x1b]0" not in paper.getvalue()
    assert r"\x1b]0;owned" in paper.getvalue()  # rich itself drops the bell
