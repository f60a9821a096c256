"""The part of stage `measure` that judges models by how they rank the passages of the test queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from decant.models.embedder import Embedder, RoutedEncoder
from decant.models.encoder import SentenceEncoder
from decant.models.prompts import read_behind
from decant.progress import Advance, Watch
from export.serve.session import OnnxEncoder
from pipeline.measure.bootstrap import percentile_interval
from pipeline.measure.evaluate import Judged, compare
from pipeline.measure.grid import Cell, Grid
from pipeline.measure.ranking_figures import DEPTH, judged_ranking
from pipeline.measure.retrieval import Ranking, RetrievalSet, retrieve
from pipeline.measure.set_metrics import SetMetrics
from pipeline.recipe.recipe import Recipe
from pipeline.report.row_names import BM25, STUDENT
from pipeline.stages.measure_grid import start_of
from pipeline.stages.measured_models import RERANKED, TEACHER, Candidate, Predict, run_name
from pipeline.stages.stage import Made, Run
from pipeline.stages.student import Trained
from pipeline.stages.student_lists import main_metric
from pipeline.suite.judge_set import ranked_by
from pipeline.suite.read_sets import doubled_notes
from pipeline.texts.bm25_search import Bm25Index
from pipeline.texts.candidate_lists import Lists
from pipeline.texts.rankings import Rankings
from students.nesting.exits import encode_exits, unit_slice
from students.nesting.nested import all_dims
from students.pair_student import Student

Cells = dict[tuple[int, int], Judged]


def ranking_metrics(
    recipe: Recipe, test: RetrievalSet, candidates: Sequence[Candidate], trained: Sequence[Trained], watch: Watch
) -> dict[str, SetMetrics]:
    """Figures of every row that ranks, on the same resamples of the queries.

    A model of vectors ranks all passages by exact search; a cross-encoder the first ones that BM25 finds.
    """
    judged: dict[str, Judged] = {}
    lexical = Bm25Index(test.documents).search(test.queries, DEPTH)
    texts = len({*test.documents}) + len({*test.queries})
    with watch("rankings", texts * (len(candidates) + len(trained))) as advance:
        for one in candidates:
            advance(0, one.name)
            if one.encoder is not None:
                judged[one.name] = _judge(recipe, test, _ranked(recipe, one.name, one.encoder, test, advance))
                continue
            if one.name == BM25:
                judged[one.name] = _judge(recipe, test, lexical)
            elif one.score is not None:
                judged[one.name] = _judge(recipe, test, reranked(one.score, test, lexical))
            advance(texts)
        for run in trained:
            advance(0, run_name(run))
            encoder = Student.load(run.stage.folder).encoder
            judged[run_name(run)] = _judge(recipe, test, _ranked(recipe, run_name(run), encoder, test, advance))
    return {name: compare(one, judged.get(TEACHER), judged.get(STUDENT)) for name, one in judged.items()}


def ranking_notes(recipe: Recipe, rankings: Rankings, lists: Lists | None) -> list[str]:
    """What is odd of the passages and of the lists, a sentence each."""
    said = doubled_notes(recipe.set_name, rankings.test.documents)
    if lists is not None and (lists.shorter or lists.without):
        size = lists.documents.shape[1]
        said.append(
            f"Lists to learn from: {len(lists.queries):,}, of which {lists.shorter:,} hold fewer than {size} passages; "
            f"{lists.without:,} queries have none."
        )
    return said


def reranked(score: Predict, test: RetrievalSet, found: Ranking, first: int = RERANKED) -> Ranking:
    """The first passages of each query in the order of a scorer's scores, those behind them as they were found.

    Of equal scores the one that was found first stands first.

    Args:
        score: pairs → scores [pairs].
        found: int64 [queries, found].
    """
    few = found[:, :first]
    pairs = [(query, test.documents[one]) for query, row in zip(test.queries, few, strict=True) for one in row]
    order = np.argsort(-score(pairs).reshape(few.shape), axis=1, kind="stable")
    return np.concatenate([np.take_along_axis(few, order, axis=1), found[:, first:]], axis=1)


def ranking_grid(run: Run, made: Made) -> Grid:
    """Every (layers, dim) of the student, and of what its training started from, each from one pass over the test."""
    recipe, rankings = run.recipe, made.texts.rankings
    assert rankings is not None
    model, start = Student.load(made.student.folder).encoder, start_of(run, made)
    dims = all_dims(model.width, recipe.student.dims)
    with run.watch("grid", 1 + (start is not None)) as advance:
        student = _every_cut(recipe, model, rankings.test, dims, advance)
        beside = _every_cut(recipe, start, rankings.test, dims, advance) if start is not None else {}
    whole = student[model.layers, model.width]
    cells = [
        Cell(
            layers=cut[0], dim=cut[1], value=one.value, ci95=percentile_interval(one.samples),
            of_full=one.value / whole.value if whole.value > 0 else None,
            start_value=beside[cut].value if cut in beside else None,
        )
        for cut, one in sorted(student.items(), reverse=True)
    ]  # fmt: skip
    return Grid(
        set=recipe.set_name, metric=whole.metric, examples=whole.examples, trained_on_labels=recipe.saw_labels(),
        cells=tuple(cells),
    )  # fmt: skip


def _every_cut(
    recipe: Recipe, encoder: SentenceEncoder, test: RetrievalSet, dims: Sequence[int], advance: Advance
) -> Cells:
    columns = recipe.texts.columns
    sides = (test.queries, columns.first_prompt), (test.documents, columns.second_prompt)
    queries, documents = (encode_exits(encoder, read_behind(some, encoder.prompts, name)) for some, name in sides)
    found = {}
    for layer, u, v in zip(encoder.depths, queries, documents, strict=True):
        for dim in dims:
            ranking = retrieve(unit_slice(u, dim), unit_slice(v, dim), DEPTH)
            found[layer, dim] = _judge(recipe, test, ranking)
    advance(1)
    return found


def _ranked(
    recipe: Recipe, name: str, encoder: Embedder | OnnxEncoder, test: RetrievalSet, advance: Advance
) -> Ranking:
    columns = recipe.texts.columns
    known = isinstance(encoder, RoutedEncoder) or encoder.prompts.any
    prompts = (columns.first_prompt, columns.second_prompt) if known else (None, None)
    return ranked_by(name, encoder, test, prompts, advance)


def _judge(recipe: Recipe, test: RetrievalSet, ranking: NDArray[np.int64]) -> Judged:
    settings = recipe.measure
    return judged_ranking(ranking, test.relevance, main_metric(recipe), resamples=settings.resamples, seed=recipe.seed)
