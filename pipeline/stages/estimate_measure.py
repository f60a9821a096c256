"""About how long stage `measure` takes, from what it does: which models read how many texts, how often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.measure.pca import FIT_TEXTS
from pipeline.measure.retrieval import RetrievalSet
from pipeline.measure.speed import SpeedSettings
from pipeline.stages.estimate import Estimate, ModelSize
from pipeline.stages.estimate_graphs import RATES
from pipeline.stages.measured_models import RERANKED
from pipeline.suite.read_sets import LoadedSet, read_sets
from pipeline.suite.settings import ClassSet

LOAD_SECONDS = 1.0  # of a model in torch
LIBRARY_SECONDS = 5.0  # of sentence-transformers
MEMORY_SECONDS = 3.0  # of an artifact: a process of its own that encodes once, and a session here
PROFILE_SECONDS = 1.0  # of an artifact: a session that tells the times of its nodes
TORCH_LAYER, ONNX_LAYER = 2.5e-3, 0.5e-3  # seconds of a layer for one text beyond its share of a batch (results.md)
LETTERS, LONGEST = 4.5, 256  # of a token of English, and tokens that a text is counted with at most
PROBE = 2.0e-3  # seconds of an example in a regression on its vector
RESAMPLE = 1.0e-7  # seconds of an example in a resample


@dataclass(frozen=True)
class _Model:
    """One that is measured: seconds that a token takes, and those that a call does beside.

    Args:
        reads: texts in one of its items: 2 for a scorer of pairs.
        timed: whether its speed is measured, too.
        encodes: it gives vectors.
        served: it is an artifact, or of the student: timed by lengths.
    """

    a_token: float
    a_call: float
    load: float
    reads: int = 1
    timed: bool = True
    encodes: bool = True
    by_length: bool = True
    artifact: bool = False

    def seconds(self, items: float, tokens: float, calls: float = 1.0) -> float:
        """Of so many items of so many tokens a text."""
        return self.a_token * tokens * self.reads * items + self.a_call * calls


def measure_seconds(estimate: Estimate) -> float:
    """Loading, accuracy, speed and the grid of all models."""
    recipe, models = estimate.recipe, list(_models(estimate))
    test, tokens = len(estimate.texts.test), estimate.test_tokens
    judged = test + (len(estimate.texts.dev) if recipe.texts.task.kind == "binary" else 0)
    total, rankings = 2.0, estimate.texts.rankings
    for model in models:
        items = judged * 2 / model.reads if rankings is None else _ranked(model, rankings.test)
        total += model.load + model.seconds(items, tokens, items / 32)
        total += RESAMPLE * recipe.measure.resamples * test
        if model.timed:
            total += _timing(model, recipe.measure.speed, test, tokens, estimate.max_length)
    if recipe.measure.sets:
        sets = read_sets(recipe.measure.sets, estimate.base)
        total += sum(_suite(model, sets, recipe.measure.resamples) for model in models if model.encodes)
    if len(recipe.student.seeds) * (1 + len(recipe.student.compare_alphas)) > 1:
        student = _torch(estimate, estimate.student_size)
        total += estimate.students * (student.load + student.seconds(2 * judged, tokens, judged / 16))
    return total + (_grid(estimate, judged) if recipe.student.nesting is not None else 0.0)


def _ranked(model: _Model, test: RetrievalSet) -> int:
    """Texts, or pairs of a cross-encoder, that judging a model by a ranking takes."""
    return len(test.queries) + len(test.documents) if model.encodes else RERANKED * len(test.queries)


def _suite(model: _Model, sets: Sequence[LoadedSet], resamples: int) -> float:
    """Of one model: every text once, the regressions, the searches and the intervals."""
    total = 0.0
    for one in sets:
        total += model.seconds(one.texts, min(one.characters / one.texts / LETTERS, LONGEST), one.texts / 32)
        total += RESAMPLE * resamples * one.texts
        total += PROBE * one.texts if isinstance(one.settings, ClassSet) else 0.0
    return total


def _timing(model: _Model, settings: SpeedSettings, pairs: int, tokens: float, longest: int) -> float:
    """Of one model: latencies, throughput, a query against many, lengths, parts."""
    pause, once = settings.pause_ms / 1000, min(settings.warmup, 1)
    total = 0.0
    for size in settings.batch_sizes:
        rounds = settings.warmup + (settings.rounds if size == 1 else settings.batch_rounds)
        total += rounds * (pause + model.seconds(size, tokens))
    given = min(settings.texts, 2 * pairs) if model.encodes else min(settings.pairs, pairs)
    for items in (given, min(settings.sample, settings.candidates, 2 * pairs)):
        total += (settings.throughput_rounds + once) * (pause + model.seconds(items, tokens, items / 32))
    if model.encodes:
        total += (settings.batch_rounds + once) * (pause + model.seconds(1, tokens))
    if model.encodes and model.by_length:
        each = [length for length in settings.lengths if length <= longest]
        total += (settings.length_rounds + once) * sum(pause + model.seconds(1, length) for length in each)
    if model.artifact:
        total += PROFILE_SECONDS + settings.part_rounds * (pause + model.seconds(1, tokens))
    return total


def _grid(estimate: Estimate, judged: int) -> float:
    """Every cut of the student and of what it started from, each from one pass, and PCA of the student's vectors."""
    recipe, student = estimate.recipe, _torch(estimate, estimate.student_size)
    passes = 1 + (not recipe.student.trained) + 1
    fitted = min(FIT_TEXTS, 2 * len(estimate.texts.train) or FIT_TEXTS)
    read = student.seconds(passes * 2 * judged + fitted, estimate.test_tokens)
    cells = estimate.student_size.layers * (1 + len(recipe.student.dims))
    return read + RESAMPLE * recipe.measure.resamples * len(estimate.texts.test) * cells


def _models(estimate: Estimate) -> Iterator[_Model]:
    """All that is measured, in the order of `measured_models.candidates`."""
    recipe = estimate.recipe
    student = _torch(estimate, estimate.student_size)
    if recipe.teacher is not None:
        cross = _torch(estimate, estimate.teacher_size, reads=2, encodes=False)
        yield cross
        if recipe.reranker is not None:
            yield from (_torch(estimate, estimate.teacher_size, reads=2, timed=False, encodes=False) for _ in range(2))
            yield from (cross, cross)
    for teacher in recipe.embedding.teachers if recipe.embedding is not None else ():
        yield _torch(estimate, estimate.size_of(teacher.model), by_length=False)
    yield _Model(0.0, 0.5, 0.0, timed=False)  # the bag of words
    yield _torch(estimate, estimate.size_of(recipe.student.model), timed=recipe.student.trained)
    peers = [recipe.student.model] * recipe.measure.peers + list(recipe.measure.compare)
    for model in peers:
        yield _torch(estimate, estimate.size_of(model), load=LIBRARY_SECONDS)
    yield student
    yield from (student for _ in recipe.export.torch)
    kinds = [*(RATES[one] for one in recipe.export.precisions), *(RATES["fp32"] for _ in recipe.export.openvino)]
    for depth in estimate.depths:
        share = depth / max(1, estimate.student_size.layers)
        for rate in kinds:
            a_token = 2 * share * estimate.student_size.weights / estimate.forward / rate
            yield _Model(a_token, ONNX_LAYER * depth, MEMORY_SECONDS, artifact=True)


def _torch(
    estimate: Estimate, size: ModelSize, *, reads: int = 1, timed: bool = True, encodes: bool = True,
    by_length: bool = True, load: float = LOAD_SECONDS,
) -> _Model:  # fmt: skip
    a_token = 2 * size.weights / estimate.forward
    return _Model(a_token, TORCH_LAYER * size.layers, load, reads, timed, encodes, by_length)
