import re

from pipeline.measure.grid import Grid
from pipeline.report.markdown import markdown_report, markdown_table
from pipeline.report.rows import Mined, Report


def test_every_row_of_the_table_has_as_many_cells_as_the_head(report: Report) -> None:
    lines = markdown_table(report).splitlines()
    assert {line.count("|") for line in lines} == {10}
    assert len(lines) == 2 + len(report.rows)
    assert lines[-1].startswith("| **L6xD384-int8** | **int8** | **85.50 ±1.5** |")


def test_some_rows_only(report: Report) -> None:
    lines = markdown_table(report, only=["big", "student"], bold="student").splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| big", "| **student**"]


def test_the_report_has_its_sections_and_plots(report: Report) -> None:
    text = markdown_report(report, "accuracy.png", "training.png")
    headings = ["Where one text's milliseconds go", "One query against 10,000 texts", "Parity"]
    headings += ["Training", "Measured on", "Notes"]
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == headings
    assert "![Accuracy against latency](accuracy.png)" in text
    assert "5.50 min (extrapolated from 128 pairs)" in text
    assert "| L6xD384-int8 | 0.980000 | 0.989660 | none set |" in text
    assert "| L6xD384-fp32 | 1.000000 | 1.000000 | passed |" in text


def test_sections_without_figures_are_left_out(report: Report) -> None:
    alone = report.model_copy(update={"rows": (report.row("student"),), "selected": None, "notes": ()})
    assert re.findall(r"^## (.*)$", markdown_report(alone), re.MULTILINE) == ["Measured on"]


def test_cuts_are_a_table_below_the_plot(report: Report, grid: Grid) -> None:
    text = markdown_report(report.model_copy(update={"grid": grid}), grid_plot="grid.png")
    section = text[text.index("## Every cut") : text.index("## Where one text's")]
    assert "![Accuracy by layers and dimensions](grid.png)" in section
    assert [line for line in section.splitlines() if line.startswith("|")] == [
        "| layers | 384 d | 64 d |",
        "| :--- | ---: | ---: |",
        "| 6 | 88.00 ±1.5 (100.0 %) | 86.00 ±1.5 (97.7 %) |",
        "| 3 | 87.00 ±1.5 (98.9 %) | – |",
        "| 6, start model | 82.00 | – |",
        "| 3, start model | 45.00 | – |",
    ]


def test_mined_pairs_have_a_sentence_and_their_plot(report: Report, mined: Mined) -> None:
    text = markdown_report(report.model_copy(update={"mined": mined}), mined_plot="mined.png")
    section = text[text.index("## Mined pairs") : text.index("## Measured on")]
    assert section.splitlines() == [
        "## Mined pairs",
        "",
        "30 pairs were mined from the unlabelled texts: 12 near (a text and one of its nearest), "
        "10 window (one from further down the ranks) and 8 random.",
        "",
        "![Teacher's cosines without and with the mined pairs](mined.png)",
        "",
    ]
