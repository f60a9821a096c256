"""About how long the stages of a run take here: from the models' sizes, the texts, and a product timed on the spot."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from decant.models.backbone import model_size
from decant.models.embedder import load_embedder
from decant.models.encoder import SentenceEncoder
from decant.models.reference import resolve_model
from decant.training.optimizer import FitSettings, training_precision
from pipeline.recipe.recipe import Recipe
from pipeline.texts.load import Texts, pair_texts
from pipeline.texts.sentences import load_sentences
from students.cuts.start import shrunk_shape

SHARE_OF_PEAK = 0.5  # what training reaches of a plain matrix product's speed, measured with MiniLM
SAMPLED_TEXTS = 400
GRAPH_SECONDS, MEASURE_SECONDS = 20.0, 20.0  # an artifact


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

    @cached_property
    def cuts(self) -> int:
        """How many depths and lengths are exported."""
        recipe = self.recipe
        if recipe.export.cuts or recipe.student.nesting is None:
            return max(1, len(recipe.export.cuts))
        return len(recipe.student.layers) or model_size(resolve_model(recipe.student.model, self.base))[0]

    @property
    def artifacts(self) -> int:
        """How many graphs are exported."""
        return len(self.recipe.export.precisions) * self.cuts

    @cached_property
    def start(self) -> SentenceEncoder:
        """What the student starts from."""
        return SentenceEncoder.load(resolve_model(self.recipe.student.model, self.base))

    @cached_property
    def step(self) -> float:
        """Seconds that training the start model takes for a token."""
        return 6 * weights_of(self.start) / speed(self.recipe.student)

    @cached_property
    def student_step(self) -> float:
        """Seconds that training the student takes for a token."""
        return 6 * weights_of(self._student) / speed(self.recipe.student)

    @cached_property
    def train_tokens(self) -> float:
        """Tokens of the labelled pairs to train on."""
        return self._pair_tokens * len(self.texts.train)

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
        student = self._student
        passes = 6 * weights_of(student) / speed(settings) * mean_tokens(every, student) * grown * settings.epochs
        beside = label * settings.epochs if settings.states is not None else 0.0
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
    return sum(weight.numel() for name, weight in encoder.named_parameters() if "embeddings" not in name)


def mean_tokens(texts: list[str], encoder: SentenceEncoder) -> float:
    """Tokens of a text, from a sample of them."""
    sample = texts[:: max(1, len(texts) // SAMPLED_TEXTS)]
    return sum(len(ids) for ids in encoder.tokenize(sample)) / max(1, len(sample))


def speed(settings: FitSettings) -> float:
    """Operations a second that training is likely to reach, from a product of two matrices timed now."""
    kind = torch.bfloat16 if training_precision(settings) == "bf16-mixed" else torch.float32
    left, right = torch.ones(1024, 384, dtype=kind), torch.ones(384, 1536, dtype=kind)
    torch.mm(left, right)
    started = time.perf_counter()
    for _ in range(20):
        torch.mm(left, right)
    return SHARE_OF_PEAK * 20 * 2 * 1024 * 384 * 1536 / (time.perf_counter() - started)
