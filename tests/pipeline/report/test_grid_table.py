from decant.table import MISSING
from pipeline.measure.grid import Cell, Grid
from pipeline.report.grid_table import grid_legend, grid_table


def rows(grid: Grid, *, brackets: bool = True) -> list[list[str]]:
    return [[cell.said(brackets=brackets) for cell in line.cells] for line in grid_table(grid).lines]


def test_rows_are_depths_and_the_start_model_follows(grid: Grid) -> None:
    assert [column.header for column in grid_table(grid).columns] == ["layers", "384 d", "64 d"]
    assert rows(grid) == [
        ["6", "88.00 ±1.5 (100.0 %)", "86.00 ±1.5 (97.7 %)"],
        ["3", "87.00 ±1.5 (98.9 %)", MISSING],
        ["6, start model", "82.00", MISSING],
        ["3, start model", "45.00", MISSING],
    ]
    assert rows(grid, brackets=False)[1][1] == "87.00 ±1.5"


def test_without_a_start_model_and_without_shares_nothing_is_said_of_them() -> None:
    cell = Cell(layers=1, dim=8, value=-0.1, ci95=(-0.2, 0.0))
    grid = Grid(set="a/test", metric="accuracy", examples=2000, cells=(cell,))
    assert rows(grid) == [["1", "-10.00 ±10.0"]]
    (sentence,) = grid_legend(grid, in_brackets=False)
    assert sentence.startswith("Accuracy ×100 on a/test (2,000 examples), ")
    assert "in brackets" not in sentence


def test_a_start_model_at_zero_is_a_figure(grid: Grid) -> None:
    zero = grid.cells[0].model_copy(update={"start_value": 0.0})
    assert rows(grid.model_copy(update={"cells": (zero,)}))[1] == ["6, start model", "0.00"]


def test_the_legend_tells_whether_labels_were_seen(grid: Grid) -> None:
    assert "in brackets the share of the full cut's." in grid_legend(grid)[0]
    assert grid_legend(grid)[1:] == [
        "The start model is what the student was trained from, cut the same way.",
        "The student's training saw this task's own training labels.",
    ]
    unlabelled = grid.model_copy(update={"trained_on_labels": False})
    assert grid_legend(unlabelled)[-1] == "The student's training saw no label of this task."


def test_pca_is_a_line_beside_what_was_trained(grid: Grid) -> None:
    whole, short, shallow = grid.cells
    pca = short.model_copy(update={"pca_value": 0.8312})
    with_pca = grid.model_copy(update={"cells": (whole, pca, shallow)})
    fitted = " It is fitted to the whole depth's vectors of texts that are not in the test set."
    assert grid_legend(with_pca)[2] == "PCA of 384 to 64 dimensions: 83.12 (trained: 86.00)." + fitted
    shorter = pca.model_copy(update={"dim": 8, "pca_value": 0.0, "value": 0.5})
    two = grid.model_copy(update={"cells": (whole, pca, shorter, shallow)})
    said = "PCA of 384 to 64 dimensions: 83.12 (trained: 86.00); to 8 dimensions: 0.00 (trained: 50.00)."
    assert grid_legend(two)[2] == said + fitted
    assert not [sentence for sentence in grid_legend(grid) if "PCA" in sentence]
