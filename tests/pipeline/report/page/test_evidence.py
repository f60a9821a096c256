from pipeline.measure.grid import Grid
from pipeline.report.page.evidence import heat, in_pick, loss_bars, paired_differences, provenance
from pipeline.report.rows import GroupLoss, Report


def test_a_difference_is_clear_where_its_interval_leaves_zero_out(report: Report) -> None:
    found = {one.label: one for one in paired_differences(report)}
    assert found["L6xD384-int8"].verdict == "no clear difference"  # +0.5 points, from -1.0 to 2.0
    assert (found["peer"].difference, found["peer"].interval, found["peer"].verdict) == (
        "-3.00",
        "-4.5 to -1.5",
        "below",
    )
    assert found["peer"].not_above == "25.0 %"
    assert [one.label for one in found.values() if one.picked] == ["L6xD384-int8"]
    assert "big" not in found


def test_heat_spans_the_grids_values(grid: Grid) -> None:
    assert [heat(grid, cell) for cell in grid.cells] == [7, 0, 4]
    flat = grid.model_copy(update={"cells": grid.cells[:1]})
    assert heat(flat, flat.cells[0]) == 7


def test_the_selected_cut_is_known(report: Report, grid: Grid) -> None:
    assert [in_pick(report, cell) for cell in grid.cells] == [True, False, False]
    assert not in_pick(report.model_copy(update={"selected": None}), grid.cells[0])


def test_bars_are_shares_of_the_greatest_loss(report: Report) -> None:
    losses = (GroupLoss(group="a", loss=0.02), GroupLoss(group="b", loss=0.005), GroupLoss(group="c", loss=-1e-9))
    row = report.rows[0].model_copy(update={"sensitivity": losses})
    assert [bar.width for bar in loss_bars(row)] == [100.0, 25.0, 0.0]
    assert [bar.loss for bar in loss_bars(row)] == ["0.02", "0.005", "-1e-09"]


def test_provenance_tells_digests_seed_and_machine(report: Report) -> None:
    told = dict(provenance(report.model_copy(update={"data_sha256": {"test": "abc"}, "recipe_sha256": "def"})))
    assert told["seed"] == "0"
    assert told["test pairs, sha256"] == "abc"
    assert told["recipe, sha256"] == "def"
    assert told["processor"] == "Some CPU"
    assert told["torch"] == "2.13.0"
    assert "busy with other work" not in told
