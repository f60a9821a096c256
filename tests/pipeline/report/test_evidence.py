from decant.table import Line
from pipeline.measure.grid import Grid
from pipeline.report.evidence import loss_table, paired_table, parity_table, provenance
from pipeline.report.grid_table import grid_table, heat
from pipeline.report.rows import GroupLoss, Report


def texts(line: Line) -> list[str]:
    return [cell.text for cell in line.cells]


def test_a_difference_is_clear_where_its_interval_leaves_zero_out(report: Report) -> None:
    lines = paired_table(report).lines
    found = {line.cells[0].text: texts(line)[1:] for line in lines}
    assert found["L6xD384-int8"][-1] == "no clear difference"  # +0.5 points, from -1.0 to 2.0
    assert found["peer"] == ["-3.00", "-4.5 to -1.5", "25.0 %", "below"]
    assert [line.cells[0].text for line in lines if line.picked] == ["L6xD384-int8"]
    assert "big" not in found


def test_a_gate_says_what_it_needs_and_whether_it_holds(report: Report) -> None:
    lines = {line.cells[0].text: line.cells[1:] for line in parity_table(report).lines}
    assert [cell.text for cell in lines["L6xD384-int8"]] == ["0.980000", "0.989660", "none set"]
    figure, _, gate = lines["L6xD384-fp32"]
    assert (figure.notes, gate.text, gate.style) == (("needs 0.9999",), "passed", "good")
    assert "big" not in lines, "it has no parity figures"


def test_heat_spans_the_grids_values(grid: Grid) -> None:
    assert [heat(grid, cell) for cell in grid.cells] == [7, 0, 4]
    flat = grid.model_copy(update={"cells": grid.cells[:1]})
    assert heat(flat, flat.cells[0]) == 7


def test_the_selected_cut_is_known(report: Report, grid: Grid) -> None:
    def outlined(table_of: Report) -> list[str]:
        selected = table_of.row(table_of.selected) if table_of.selected else None
        lines = grid_table(grid, selected).lines
        return [cell.text for line in lines for cell in line.cells if "in-pick" in cell.style]

    assert outlined(report) == ["88.00 ±1.5"]
    assert outlined(report.model_copy(update={"selected": None})) == []


def test_bars_are_shares_of_the_greatest_loss(report: Report) -> None:
    losses = (GroupLoss(group="a", loss=0.02), GroupLoss(group="b", loss=0.005), GroupLoss(group="c", loss=-1e-9))
    lines = loss_table(report.rows[0].model_copy(update={"sensitivity": losses})).lines
    assert [line.cells[2].bars for line in lines] == [(100.0,), (25.0,), (0.0,)]
    assert [line.cells[1].text for line in lines] == ["0.02", "0.005", "-1e-09"]


def test_provenance_tells_digests_seed_and_machine(report: Report) -> None:
    told = dict(provenance(report.model_copy(update={"data_sha256": {"test": "abc"}, "recipe_sha256": "def"})))
    assert told["seed"] == "0"
    assert told["test pairs, sha256"] == "abc"
    assert told["recipe, sha256"] == "def"
    assert told["processor"] == "Some CPU"
    assert told["torch"] == "2.13.0"
    assert "busy with other work" not in told
