"""Stage `candidates`: of each query to learn from the passages that the teacher is to score and the student to rank."""

from __future__ import annotations

from dataclasses import replace
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decant.models.reference import model_digest
from export.serve.encode_texts import encoding_precision
from pipeline.fingerprint import stated
from pipeline.measure.retrieval import Ranking, RetrievalSet, retrieve
from pipeline.recipe.recipe_prompts import prompt_inputs, student_prompts
from pipeline.stages.estimate import Estimate
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.stages.vectors import text_encoder
from pipeline.texts.bm25_search import Bm25Index
from pipeline.texts.candidate_lists import Lists, candidate_lists, check_candidates
from pipeline.texts.load import Split

VERSION = 1
BM25_QUERY = 3.0e-8  # seconds of a query for each passage
Vectors = NDArray[np.float32]


def make_candidates(run: Run, made: Made) -> Done:
    """The lists; from here on the training pairs are each query with each passage of its list."""
    recipe, texts, targets = run.recipe, made.texts, made.vector_targets
    settings = recipe.candidates
    assert settings is not None
    assert texts.rankings is not None
    train = texts.rankings.train
    inputs: dict[str, object] = {
        "settings": stated(settings, leave_out=("false_negatives",)), "texts": made.texts_done.fingerprint,
        "seed": recipe.seed,
    }  # fmt: skip
    if settings.dense and targets is not None:
        inputs |= {"vectors": targets.stage.fingerprint, "weights": targets.weights}
    elif settings.dense:
        prompts = student_prompts(recipe, run.base)
        inputs |= {"model": model_digest(run.model(recipe.student.model)), "prompts": prompt_inputs(recipe, prompts)}
        inputs |= {"max_length": recipe.student.max_length}

    def write(folder: Path) -> None:
        check_candidates(settings, len(train.documents))
        searches: list[Ranking] = []
        with run.watch("candidates", settings.bm25 + settings.dense) as advance:
            if settings.bm25:
                advance(0, "BM25")
                searches.append(Bm25Index(train.documents).search(train.queries, settings.window[1]))
                advance(1)
            if settings.dense:
                advance(0, "dense")
                searches.append(retrieve(*_dense(run, made, train, folder), settings.window[1]))
                advance(1)
        candidate_lists(train, searches, settings, recipe.seed).save(folder)

    stage = run.make("candidates", VERSION, inputs, write)
    made.lists = lists = Lists.load(stage.folder)
    made.texts = replace(texts, train=list_pairs(train, lists))
    said = f"{len(lists.queries):,} lists of {settings.per_query} passages"
    said += f", {lists.shorter:,} of them shorter" if lists.shorter else ""
    return Done(stage, said + (f"; {lists.without:,} queries without any" if lists.without else ""))


def list_pairs(train: RetrievalSet, lists: Lists) -> Split:
    """Each query with each passage of its list, list after list; 1 where it is relevant, 0 where judged not, or NaN."""
    pairs, labels = [], []
    for query, documents, relevant in zip(lists.queries, lists.documents, lists.relevant, strict=True):
        grades = train.relevance[query]
        for document, is_relevant in compress(zip(documents.tolist(), relevant, strict=True), documents >= 0):
            pairs.append((train.queries[query], train.documents[document]))
            labels.append(1.0 if is_relevant else 0.0 if document in grades else np.nan)
    return Split(pairs, np.array(labels, np.float32))


def _dense(run: Run, made: Made, train: RetrievalSet, scratch: Path) -> tuple[Vectors, Vectors]:
    """Unit vectors of the queries and of the passages: the embedding teachers', else the start model's."""
    recipe, targets = run.recipe, made.vector_targets
    columns = recipe.texts.columns
    sides = ((train.queries, columns.first_prompt), (train.documents, columns.second_prompt))
    if targets is not None:
        stores = [targets.side_vectors(some, name) for some, name in sides]
        queries, documents = (one.take(np.arange(len(one))) for one in stores)
        return queries, documents
    prompts, found = student_prompts(recipe, run.base), []
    for some, name in sides:
        encode = text_encoder(
            run.model(recipe.student.model), scratch, texts=len(some), precision=encoding_precision("auto"),
            prompts=prompts, prompt=name if prompts.any else None,
        )  # fmt: skip
        with run.watch("candidates, vectors", len(some)) as advance:
            found.append(encode(some, advance))
    return found[0], found[1]


def _seconds(estimate: Estimate) -> float:
    rankings = estimate.texts.rankings
    assert rankings is not None
    train = rankings.train
    searched = BM25_QUERY * len(train.queries) * len(train.documents)
    encoded = 0.0 if estimate.recipe.embedding is not None else estimate.passages_seconds
    return 10 + searched + encoded


def _told(estimate: Estimate) -> str:
    settings, rankings = estimate.recipe.candidates, estimate.texts.rankings
    if settings is None or rankings is None:
        return ""
    return f"{len(rankings.train.queries):,} lists of {settings.per_query} passages"


CANDIDATES = Stage(
    "candidates", VERSION, make_candidates, reads=("texts", "vectors"), seconds=_seconds, told=_told,
    wanted=lambda recipe: recipe.texts.task.kind == "ranking",
)  # fmt: skip
