import pytest

from decant.table import Cell
from pipeline.report.page.page_rows import PageRun, page_columns, page_rows
from pipeline.report.rows import Report


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("82.03 ±1.4", "82.03"), ("1,016", "1016"), ("94.1 pairs", "94.1"), ("+1.19", "+1.19"), ("-0.50", "-0.50"),
        ("0.17×", "0.17"), ("–", ""), ("int8-dynamic", "int8-dynamic"),
    ],
)  # fmt: skip
def test_cells_are_sorted_by_their_number(text: str, key: str) -> None:
    assert Cell(text).key == key


def test_columns_of_any_run_are_shown_and_the_others_cells_left_empty(report: Report) -> None:
    small = report.model_copy(update={"rows": (report.row("bag of words"),), "selected": None})
    runs = [PageRun(small, label="small"), PageRun(report, label="whole")]
    names = [column.header for column in page_columns(runs)]
    assert names == [
        "Spearman", "precision", "vs teacher", "texts/s", "ms/text", "MiB", "× teacher", "× torch", "layers", "dim",
    ]  # fmt: skip
    rows = page_rows(runs)
    assert [cell.text for cell in rows[0].cells] == ["65.00 ±1.5", *9 * ["–"]]
    picked = next(row for row in rows if row.picked)
    assert picked.cells[names.index("layers")].text == "6"
    assert picked.id == f"row{rows.index(picked)}"
