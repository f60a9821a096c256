"""The part of stage `measure` that judges a nested student at every depth and vector length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decant.models.encoder import SentenceEncoder
from pipeline.measure.grid import NO_CUTS, CutScores, Grid, measure_grid
from pipeline.measure.pca import fit_texts, pca_predictions
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.recipe_prompts import pairs_for
from pipeline.stages.dev_metric import examples_of
from pipeline.stages.stage import Made, Run
from pipeline.texts.load import Split
from students.cuts.cut import cut
from students.nesting.nested import all_dims, grid_predictions
from students.pair_student import Student


def student_grid(run: Run, made: Made) -> Grid:
    """Every (layers, dim) of the student, and of what its training started from, each from one pass over the test.

    Beside the student's shorter vectors of the whole depth stands PCA of the full ones.
    """
    recipe, texts = run.recipe, made.texts
    model, start = Student.load(made.student.folder).encoder, start_of(run, made)
    dims = all_dims(model.width, recipe.student.dims)
    binary = recipe.texts.task.kind == "binary"
    with run.watch("grid", (1 + binary) * (1 + (start is not None)) + 1) as advance:

        def every(encoder: SentenceEncoder, split: Split) -> dict[tuple[int, int], NDArray[np.float32]]:
            advance(0, "student, every cut" if encoder is model else "start model, every cut")
            found = grid_predictions(encoder, pairs_for(recipe, encoder.prompts, split.pairs), dims)
            advance(1)
            return found

        splits = [texts.test, *([texts.dev] if binary else [])]
        pairs = [pairs_for(recipe, model.prompts, split.pairs) for split in splits]
        advance(0, "PCA of the student's vectors")
        short = pca_predictions(model.encode, _pca_texts(recipe, made), pairs, dims[1:])
        pca = [{(model.layers, dim): scores for dim, scores in one.items()} for one in short]
        advance(1)
        return measure_grid(
            examples_of(recipe, texts), CutScores(*(every(model, split) for split in splits)),
            set_name=recipe.set_name,
            start=CutScores(*(every(start, split) for split in splits)) if start is not None else NO_CUTS,
            pca=CutScores(*pca), trained_on_labels=recipe.saw_labels(),
        )  # fmt: skip


def start_of(run: Run, made: Made) -> SentenceEncoder | None:
    """What training started from, with the layers that the student kept of it; None where there was no training."""
    student = run.recipe.student
    if student.trained:
        return None
    if made.table is not None:
        return SentenceEncoder.load(made.table.folder)
    start = SentenceEncoder.load(run.model(student.model), student.max_length)
    return cut(start, student.layers) if student.layers else start


def _pca_texts(recipe: Recipe, made: Made) -> list[str]:
    texts, vector_targets = made.texts, made.vector_targets
    labelled = [text for pair in texts.train.pairs for text in pair]
    taught = (
        [*vector_targets.held_back, *vector_targets.texts[: vector_targets.given]] if vector_targets is not None else []
    )
    return fit_texts([labelled, taught], texts.test.pairs, recipe.seed)
