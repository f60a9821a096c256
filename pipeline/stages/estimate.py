"""About how long the stages of a run take here: from the models' sizes, the texts, and a product timed on the spot."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch

from decant.errors import DecantError
from decant.models.backbone import model_size
from decant.models.embedder import load_embedder
from decant.models.encoder import SentenceEncoder
from decant.models.reference import resolve_model, stored_shapes
from decant.training.optimizer import FitSettings, training_precision
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.sections import StaticStudent
from pipeline.texts.load import Texts, pair_texts
from pipeline.texts.sentences import load_sentences
from students.cuts.start import shrunk_shape

SHARE_OF_PEAK = 0.5  # what training reaches of a plain matrix product's speed, measured with MiniLM
SAMPLED_TEXTS = 400
STATIC_TOKEN = 5.0e-6  # seconds of a static student's training, a token


class ModelSize(NamedTuple):
    """What a model's time is reckoned from."""

    weights: int
    """That a token is multiplied with."""
    layers: int


@dataclass(frozen=True)
class Estimate:
    """What the stages reckon their time from; each figure is worked out when it is first asked for."""

    recipe: Recipe
    base: Path
    texts: Texts

    @property
    def students(self) -> int:
        """How many are trained."""
        return len(self.recipe.student.seeds) * (1 + len(self.recipe.student.compare_alphas))

    @property
    def cuts(self) -> int:
        """How many depths and lengths are exported."""
        return len(self.depths)

    @cached_property
    def depths(self) -> list[int]:
        """Layers of each depth and length that is exported."""
        recipe = self.recipe
        if isinstance(recipe.student, StaticStudent):
            return [0 for _ in set(recipe.export.cuts)] or [0]
        layers = len(recipe.student.layers) or self.size_of(recipe.student.model).layers
        if recipe.export.cuts:
            return [depth for depth, _ in sorted(set(recipe.export.cuts))]
        if recipe.student.nesting is None:
            return [layers]
        shorter = recipe.budget is not None and recipe.budget.dim is not None
        return [depth for depth in range(1, layers + 1) for _ in range(2 if shorter else 1)]

    @property
    def artifacts(self) -> int:
        """How many graphs are exported."""
        return len(self.recipe.export.precisions) * self.cuts

    @cached_property
    def start(self) -> SentenceEncoder:
        """What the student starts from."""
        return SentenceEncoder.load(resolve_model(self.recipe.student.model, self.base))

    @cached_property
    def student_step(self) -> float:
        """Seconds that training the student takes for a token."""
        if isinstance(self.recipe.student, StaticStudent):
            return STATIC_TOKEN
        return 6 * weights_of(self._student) / speed(self.recipe.student)

    @cached_property
    def teacher_step(self) -> float:
        """Seconds that training the cross-encoder takes for a token."""
        return 6 * self.teacher_size.weights / speed(self.recipe.student)

    @cached_property
    def teacher_size(self) -> ModelSize:
        """Of the cross-encoder."""
        assert self.recipe.teacher is not None
        return self.size_of(self.recipe.teacher.model)

    @cached_property
    def student_size(self) -> ModelSize:
        """Of the whole student."""
        if isinstance(self.recipe.student, StaticStudent):
            return ModelSize(0, 0)
        return ModelSize(weights_of(self._student), self._student.layers)

    def size_of(self, model: str) -> ModelSize:
        """Of a model by its reference, from its config and the names of its weights alone; 0 of a table of vectors."""
        folder = resolve_model(model, self.base)
        shapes = stored_shapes(folder)
        weights = sum(math.prod(shape) for name, shape in shapes.items() if "embed" not in name)
        try:
            return ModelSize(weights, model_size(folder)[0])
        except DecantError:
            return ModelSize(0, 0)

    @cached_property
    def forward(self) -> float:
        """Operations a second that torch is likely to reach in float32, without gradients."""
        return operations(torch.float32)

    @cached_property
    def test_tokens(self) -> float:
        """Of a text of the test pairs, in the mean."""
        given = [text for pair in self.texts.test.pairs for text in pair]
        return mean_tokens(given, self.start)

    @property
    def max_length(self) -> int:
        """Tokens that the student reads at most."""
        return self.recipe.student.max_length or self.start.max_length

    @cached_property
    def train_pairs(self) -> int:
        """How many are labelled; of rankings, each query with each passage of its list."""
        rankings, candidates = self.texts.rankings, self.recipe.candidates
        if rankings is None or candidates is None:
            return len(self.texts.train)
        return len(rankings.train.queries) * candidates.per_query

    @cached_property
    def train_tokens(self) -> float:
        """Tokens of the labelled pairs to train on."""
        return self._pair_tokens * self.train_pairs

    @cached_property
    def passages_seconds(self) -> float:
        """That the start model takes for all queries and passages of a ranking once."""
        tokens = mean_tokens(pair_texts(self.texts), self.start) * len(pair_texts(self.texts))
        return 2 * weights_of(self.start) / self.forward * tokens

    @cached_property
    def unlabelled_tokens(self) -> float:
        """Tokens of the pairs without labels."""
        return self._pair_tokens * len(self.texts.unlabelled)

    @cached_property
    def embedding_seconds(self) -> tuple[float, float]:
        """Of the vectors (labelling by each teacher, its fine-tuning), and of the passes over the texts.

        Texts are counted with those that are made of them. A teacher whose token states are followed runs in every
        pass.
        """
        settings, recipe = self.recipe.embedding, self.recipe
        assert settings is not None
        given = load_sentences(settings.sentences, self.base, recipe.texts.problems).texts if settings.sentences else []
        every, more = [*given, *pair_texts(self.texts)], settings.augment
        grown = len(every) * (1 + (more.spans + more.dropped + more.joins if more is not None else 0))
        label, tuning = 0.0, 0.0
        for teacher in settings.teachers:
            encoder = load_embedder(resolve_model(teacher.model, self.base))
            if not isinstance(encoder, SentenceEncoder):
                continue  # a table of token vectors takes no time worth a plan
            step, tokens = 6 * weights_of(encoder) / speed(settings), mean_tokens(every, encoder)
            label += step / 3 * tokens * grown
            tuning += (
                step * tokens * 2 * len(self.texts.train) * (teacher.tune.epochs if teacher.tune is not None else 0)
            )
        beside = label * settings.epochs if settings.states is not None else 0.0
        if isinstance(recipe.student, StaticStudent):
            return label + tuning + 10, STATIC_TOKEN * mean_tokens(every, self.start) * grown * settings.epochs + 10
        student = self._student
        passes = 6 * weights_of(student) / speed(settings) * mean_tokens(every, student) * grown * settings.epochs
        return label + tuning + 10, passes + beside + 10

    @cached_property
    def _student(self) -> SentenceEncoder:
        """An encoder of the student's shape."""
        student = self.recipe.student
        start = SentenceEncoder.load(resolve_model(student.model, self.base))
        return shrunk_shape(start, student.layers, student.ffn_width, student.sharing)

    @cached_property
    def _pair_tokens(self) -> float:
        return 2 * mean_tokens(pair_texts(self.texts), self.start)


def weights_of(encoder: SentenceEncoder) -> int:
    """Weights that a token is multiplied with: all but the tables."""
    return sum(weight.numel() for name, weight in encoder.named_parameters() if "embed" not in name)


def mean_tokens(texts: list[str], encoder: SentenceEncoder) -> float:
    """Tokens of a text, from a sample of them."""
    sample = texts[:: max(1, len(texts) // SAMPLED_TEXTS)]
    return sum(len(ids) for ids in encoder.tokenize(sample)) / max(1, len(sample))


def speed(settings: FitSettings) -> float:
    """Operations a second that training is likely to reach, from a product of two matrices timed now."""
    return operations(torch.bfloat16 if training_precision(settings) == "bf16-mixed" else torch.float32)


def operations(kind: torch.dtype) -> float:
    """Operations a second that a model of such weights is likely to reach, from a product of matrices timed now."""
    left, right = torch.ones(1024, 384, dtype=kind), torch.ones(384, 1536, dtype=kind)
    torch.mm(left, right)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(5):
            torch.mm(left, right)
        seconds.append(time.perf_counter() - started)
    return SHARE_OF_PEAK * 5 * 2 * 1024 * 384 * 1536 / statistics.median(seconds)
