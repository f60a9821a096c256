import time

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import spearmanr

from pipeline.measure.evaluate import Examples, evaluate
from pipeline.measure.grid import Cell, CutScores, Grid, measure_grid

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.integers(0, 26, 120) / 5
CUTS = {(layers, dim): LABELS + GENERATOR.normal(0, 6 / layers, 120) for layers in (1, 3, 6) for dim in (64, 384)}
FEW = Examples("regression", LABELS, resamples=5)


def test_a_cell_equals_the_row_of_the_same_predictions() -> None:
    grid = measure_grid(Examples("regression", LABELS, seed=3), CutScores(CUTS), set_name="stsb/test")
    rows = evaluate(Examples("regression", LABELS, seed=3), {f"{cut}": scores for cut, scores in CUTS.items()})
    assert (grid.set, grid.metric, grid.examples) == ("stsb/test", "spearman", 120)
    for (layers, dim), scores in CUTS.items():
        cell = grid.cell(layers, dim)
        assert cell is not None
        assert cell.value == pytest.approx(spearmanr(scores, LABELS).statistic)
        assert cell.ci95 == rows[f"{(layers, dim)}"].ci95
        assert cell.of_full == pytest.approx(cell.value / spearmanr(CUTS[6, 384], LABELS).statistic)
        assert cell.start_value is None


def test_cells_run_from_deep_and_wide_to_shallow_and_short() -> None:
    grid = measure_grid(FEW, CutScores(dict(reversed(CUTS.items()))), set_name="a")
    assert [(cell.layers, cell.dim) for cell in grid.cells] == [(6, 384), (6, 64), (3, 384), (3, 64), (1, 384), (1, 64)]
    assert (grid.layers, grid.dims) == ([6, 3, 1], [384, 64])
    assert grid.cells[0].of_full == 1
    assert not grid.has_start


def test_the_start_model_stands_in_the_cells_where_it_was_measured() -> None:
    start = {(3, 64): -LABELS, (6, 384): LABELS}
    grid = measure_grid(FEW, CutScores(CUTS), set_name="a", start=CutScores(start))
    found = {(cell.layers, cell.dim): cell.start_value for cell in grid.cells if cell.start_value is not None}
    assert found == pytest.approx({(3, 64): -1, (6, 384): 1})
    assert grid.has_start
    assert [cell for cell in grid.model_dump()["cells"] if "start_value" not in cell]


def test_pca_stands_in_the_cells_where_it_was_measured() -> None:
    pca = {(6, 64): CUTS[3, 64]}
    grid = measure_grid(FEW, CutScores(CUTS), set_name="a", pca=CutScores(pca))
    found = {(cell.layers, cell.dim): cell.pca_value for cell in grid.cells if cell.pca_value is not None}
    assert found == pytest.approx({(6, 64): spearmanr(CUTS[3, 64], LABELS).statistic})
    assert [(c["layers"], c["dim"]) for c in grid.model_dump()["cells"] if "pca_value" in c] == [(6, 64)]


def test_binary_thresholds_come_from_the_development_split() -> None:
    labels = np.array([0, 0, 1, 1])
    dev = {(1, 8): np.array([0.1, 0.4, 0.6, 0.9])}  # parted at 0.5
    test = {(1, 8): np.array([0.2, 0.7, 0.8, 0.45])}  # at 0.5: one right of each class
    examples = Examples("binary", labels, labels, "accuracy", resamples=5)
    pca = CutScores(test, {(1, 8): np.array([0.6, 0.7, 0.8, 0.9])})
    grid = measure_grid(examples, CutScores(test, dev), set_name="a", start=CutScores(test, dev), pca=pca)
    assert grid.metric == "accuracy"
    assert (grid.cells[0].value, grid.cells[0].start_value) == (0.5, 0.5)
    assert grid.cells[0].pca_value == 0.75  # parted at 0.75: three right
    with pytest.raises(ValueError, match="binary needs development scores"):
        measure_grid(Examples("binary", labels), CutScores(test), set_name="a")


def test_classes() -> None:
    logits = np.eye(3)[[0, 1, 2, 2]]
    examples = Examples("multiclass", np.array([0, 1, 2, 0]), resamples=5)
    grid = measure_grid(examples, CutScores({(1, 8): logits}), set_name="a")
    assert grid.cells[0].value == 0.75


def test_no_share_of_a_full_cut_that_is_not_above_zero() -> None:
    cuts = {(2, 8): -LABELS, (1, 8): LABELS}
    assert [c.of_full for c in measure_grid(FEW, CutScores(cuts), set_name="a").cells] == [None] * 2


def test_the_usual_grid_takes_about_a_second() -> None:
    labels = GENERATOR.integers(0, 26, 1379) / 5
    cuts = {(layers, dim): labels + GENERATOR.normal(0, 1, 1379) for layers in range(1, 7) for dim in (64, 128, 384)}
    start = time.process_time()
    measure_grid(Examples("regression", labels), CutScores(cuts), set_name="a", start=CutScores(cuts))
    assert time.process_time() - start < 5  # generous: the bound is on a rewrite that resamples one by one


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="predictions of at least one cut"):
        measure_grid(FEW, CutScores({}), set_name="a")
    with pytest.raises(ValueError, match="no predictions of the full cut, 6 layers and 384 dimensions"):
        measure_grid(FEW, CutScores({(6, 64): LABELS, (3, 384): LABELS}), set_name="a")
    with pytest.raises(ValueError, match="start model has predictions at 2 layers and 8 dimensions, the student none"):
        measure_grid(FEW, CutScores({(1, 8): LABELS}), set_name="a", start=CutScores({(2, 8): LABELS}))
    with pytest.raises(ValueError, match="PCA has predictions at 1 layers and 4 dimensions, the student none"):
        measure_grid(FEW, CutScores({(1, 8): LABELS}), set_name="a", pca=CutScores({(1, 4): LABELS}))
    cell = Cell(layers=2, dim=8, value=0.5, ci95=(0.4, 0.6))
    with pytest.raises(ValidationError, match="two cells are of 2 layers and 8 dimensions"):
        Grid(set="a", metric="spearman", examples=9, cells=(cell, cell))
