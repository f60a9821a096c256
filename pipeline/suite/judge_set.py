"""One model on one set of a suite: every text is embedded once, and no vector is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from decant.errors import GateError, InputError
from decant.models.similarity import similarities
from decant.progress import Advance
from pipeline.measure import weighted
from pipeline.measure.bootstrap import bootstrap
from pipeline.measure.classification import accuracy, average_precision, macro_f1
from pipeline.measure.evaluate import Judged, judge
from pipeline.measure.probe import cross_validated_classes, pair_features, probed_classes
from pipeline.measure.ranking_figures import DEPTH, judged_ranking
from pipeline.measure.retrieval import Ranking, RetrievalSet, retrieve
from pipeline.measure.set_metrics import MetricName
from pipeline.suite.read_sets import Examples, LoadedSet
from pipeline.suite.settings import ClassSet, PairSet, RankingSet

if TYPE_CHECKING:  # at run time it would pull in torch
    from decant.models.embedder import Embedder
    from export.serve.session import OnnxEncoder

    Encoder = Embedder | OnnxEncoder

QUERY_PROMPTS, DOCUMENT_PROMPTS = ("query",), ("document", "passage", "corpus")
"""Names of the prompts that queries and documents stand behind, where a model has one of them."""
Vectors = NDArray[np.float32]


def judge_set(one: LoadedSet, encoder: Encoder, resamples: int, seed: int, advance: Advance) -> Judged:
    """A model's figures on a set, and its main one on each resample.

    Args:
        resamples: of the bootstrap: over pairs, queries or examples.
        seed: of the resamples; of one seed they are the same for every model.
        advance: called with the number of texts that are finished.

    Raises:
        InputError: the model cannot be judged by such a set.
        GateError: a vector is not finite.
    """
    reads = _Reads(one.name, encoder, advance)
    settings, content = one.settings, one.content
    if isinstance(settings, RankingSet) and isinstance(content, RetrievalSet):
        prompts = reads.first_known(QUERY_PROMPTS), reads.first_known(DOCUMENT_PROMPTS)
        ranking = ranked_by(one.name, encoder, content, prompts, advance)
        return judged_ranking(ranking, content.relevance, settings.metric, resamples=resamples, seed=seed)
    assert isinstance(content, Examples)
    if isinstance(settings, PairSet):
        return _pairs(settings, content, reads, resamples, seed)
    assert isinstance(settings, ClassSet)
    return _classes(settings, content, reads, resamples, seed)


class _Reads:
    """A model as a set reads by it."""

    def __init__(self, name: str, encoder: Encoder, advance: Advance) -> None:
        self.name, self.encoder, self._advance = name, encoder, advance
        self.similarity = encoder.similarity
        self._known = {*encoder.prompts.texts, *getattr(encoder, "roads", ())}

    @property
    def prompted(self) -> bool:
        """Whether the model knows prompts, or roads, by name."""
        return bool(self._known)

    def first_known(self, names: Sequence[str]) -> str | None:
        """The first of the names that the model knows a prompt by; None: its default one."""
        return next((name for name in names if name in self._known), None)

    def __call__(self, columns: Sequence[Sequence[str]], prompt: str | None, *, unit: bool = True) -> list[Vectors]:
        """Vectors of each column, float32 [texts, dim]; a text that stands in several places is embedded once."""
        number = {text: row for row, text in enumerate(dict.fromkeys(text for column in columns for text in column))}
        vectors = self.encoder.encode(list(number), progress=self._advance, prompt=prompt, unit=unit)
        if not np.isfinite(vectors).all():
            raise GateError(f"{self.name}: some vectors are not finite numbers")
        return [vectors[[number[text] for text in column]] for column in columns]


def ranked_by(
    name: str, encoder: Encoder, content: RetrievalSet, prompts: tuple[str | None, str | None], advance: Advance
) -> Ranking:
    """The documents of each query as a model's vectors rank them, compared as its folder says, int64 [queries, 1000].

    Args:
        name: of the set or model, for messages.
        prompts: names of those that queries and documents stand behind; None: the model's default one.
        advance: called with the number of texts that are finished.

    Raises:
        InputError: the model cannot be judged by a ranking.
        GateError: a vector is not finite.
    """
    reads = _Reads(name, encoder, advance)
    if reads.similarity == "manhattan":
        raise InputError(f"{reads.name}: the model compares by manhattan, by which no ranking is searched here")
    unit = reads.similarity == "cosine"
    (queries,) = reads([content.queries], prompts[0], unit=unit)
    (documents,) = reads([content.documents], prompts[1], unit=unit)
    if reads.similarity == "euclidean":  # 2 q·d − |d|² ranks as −|q − d| does
        documents = np.hstack([2 * documents, -np.square(documents).sum(axis=1, keepdims=True)])
        queries = np.hstack([queries, np.ones((len(queries), 1), np.float32)])
    return retrieve(queries, documents, DEPTH)


def _pairs(settings: PairSet, content: Examples, reads: _Reads, resamples: int, seed: int) -> Judged:
    unit = reads.similarity == "cosine"
    prompts = (settings.first_prompt, settings.second_prompt) if reads.prompted else (None, None)
    if prompts[0] == prompts[1]:
        sides = reads(content.texts, prompts[0], unit=unit)
    else:
        sides = [reads([column], prompt, unit=unit)[0] for column, prompt in zip(content.texts, prompts, strict=True)]
    scores = similarities(sides[0], sides[1], reads.similarity)
    if settings.task == "regression":
        metric: MetricName = "pearson" if settings.metric == "pearson" else "spearman"
        return judge("regression", content.labels, scores, metric=metric, resamples=resamples, seed=seed)
    labels = content.labels.astype(np.int64)
    statistic = weighted.weighted_average_precision(scores, labels)
    samples = bootstrap(statistic, len(labels), resamples=resamples, seed=seed)
    found = {"average_precision": average_precision(scores, labels)}
    return Judged("average_precision", found, samples, len(labels))


def _classes(settings: ClassSet, content: Examples, reads: _Reads, resamples: int, seed: int) -> Judged:
    sides = reads(content.texts, None)
    features = sides[0] if len(sides) == 1 else pair_features(sides[0], sides[1])
    labels, fitted = content.labels.astype(np.int64), content.fitted
    tested = labels[fitted:]
    if fitted:
        predicted = probed_classes(features[:fitted], labels[:fitted], features[fitted:], tested, settings.probe)
    else:
        predicted = cross_validated_classes(features, labels, settings.probe)
    values = {"accuracy": accuracy(predicted, tested), "macro_f1": macro_f1(predicted, tested)}
    weigh = weighted.weighted_accuracy if settings.metric == "accuracy" else weighted.weighted_macro_f1
    samples = bootstrap(weigh(predicted, tested), len(tested), resamples=resamples, seed=seed)
    return Judged(settings.metric, values, samples, len(tested))
