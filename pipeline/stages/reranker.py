"""Stage `reranker`: the teacher again, with shared attention maps, trained on its scores and then on the labels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from decant.training.fit import discard_checkpoints
from decant.training.optimizer import FitSettings, training_precision
from decant.training.training import Training
from export.artifact.manifest import GRAPH
from export.artifact.reranker_folder import check_score_parity
from export.graphs.to_onnx import export_cross_encoder
from export.serve.rerank_session import OnnxReranker
from pipeline.fingerprint import pairs_digest, stated
from pipeline.measure.classification import one_score
from pipeline.run_dir import Finished
from pipeline.stages.dev_metric import dev_metric, on_own_scale
from pipeline.stages.estimate import Estimate
from pipeline.stages.estimate_graphs import EXPORT_SECONDS
from pipeline.stages.sharing import said_maps
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.stages.targets import PairTargets, training_pairs
from pipeline.stages.teacher import run_teacher
from pipeline.texts.load import Texts, pair_texts
from students.cuts.start import shared_cross_encoder
from students.distill.distill_reranker import labels_on_scale, learn_scores
from students.distill.distill_settings import RerankerSettings
from teachers.cross_encoders.cross_encoder import CrossEncoder, Pair
from teachers.cross_encoders.fine_tune import FineTuneSettings, Metric, PairData, fine_tune

VERSION = 1
STAGE_1, STAGE_2, TAUGHT, FACTS = "scores", "training", "before_labels", "reranker.json"
LONG_TEXTS = 60  # texts that together are longer than a model reads


@dataclass(frozen=True)
class Reranked:
    """A re-ranker's folder, which `CrossEncoder.load` and `OnnxReranker` read.

    Args:
        largest_difference: of a raw score to torch's, over the parity pairs.
    """

    stage: Finished
    largest_difference: float

    @property
    def before_labels(self) -> Path:
        """The folder of the model after stage 1."""
        return self.stage.folder / TAUGHT


@dataclass(frozen=True)
class _Taught:
    """What the re-ranker is made from and judged by."""

    run: Run
    settings: RerankerSettings
    texts: Texts
    pair_targets: PairTargets

    def teacher(self, dropout: float | None = None) -> CrossEncoder:
        """The recipe's cross-encoder."""
        return run_teacher(self.run.recipe, self.pair_targets.teacher.folder, dropout)

    def judge(self, model: CrossEncoder) -> Metric:
        """Raw scores on dev → the task's metric."""
        kind = self.run.recipe.texts.task.of_pairs
        metric = dev_metric(kind, self.texts.dev.labels, self.run.recipe.measure.metric)
        return lambda logits: metric(on_own_scale(one_score(logits), kind, model.activation))

    def on_dev(self, model: CrossEncoder) -> float:
        """The metric of a model."""
        return self.judge(model)(model.score(self.texts.dev.pairs))


def make_reranker(run: Run, made: Made) -> Done:
    """Share, learn the teacher's scores, learn the labels, export, and check the graph against PyTorch.

    Stage 2 is kept where it is at least as good on dev as stage 1.

    Raises:
        InputError: no two layers are alike enough to share a map, or the model cannot be exported.
        GateError: the graph's scores are not PyTorch's.
    """
    recipe, texts, settings, pair_targets = run.recipe, made.texts, run.recipe.reranker, made.pair_targets
    assert settings is not None
    assert pair_targets is not None
    taught = _Taught(run, settings, texts, pair_targets)
    inputs: dict[str, object] = {
        "settings": stated(settings), "targets": pair_targets.stage.fingerprint, "seed": recipe.seed,
        "teacher": pair_targets.teacher.fingerprint, "labels": texts.train.labels,
        "dev": pairs_digest(texts.dev.pairs), "dev_labels": texts.dev.labels, "parity": stated(recipe.export.parity),
        "test": pairs_digest(texts.test.pairs), "metric": recipe.measure.metric,
        "precision": [training_precision(one) for one in (settings.pseudo, settings)],
    }  # fmt: skip

    def write(folder: Path) -> None:
        _learn_scores(taught, folder)
        best = _learn_labels(taught, folder)
        best.save(folder)
        export_cross_encoder(best, folder / GRAPH)
        pairs = _parity_pairs(texts, recipe.export.parity.texts)
        limit = recipe.export.parity.comparator_difference
        largest = check_score_parity(OnnxReranker(folder), pairs, best.score(pairs), limit)
        (folder / FACTS).write_text(json.dumps({"largest_difference": largest}) + "\n", encoding="utf-8")

    stage = run.make("reranker", VERSION, inputs, write)
    made.reranked = Reranked(stage, **json.loads((stage.folder / FACTS).read_text(encoding="utf-8")))
    return Done(stage, f"the teacher{said_maps(stage)}")


def _learn_scores(taught: _Taught, folder: Path) -> None:
    """Stage 1, into `before_labels`; nothing where a killed run has finished it."""
    if (folder / TAUGHT / "tokenizer.json").is_file():  # the last file to be saved
        return
    settings, seed = taught.settings, taught.run.recipe.seed
    start = taught.teacher(settings.pseudo.dropout)
    student = shared_cross_encoder(start, settings.sharing, pair_texts(taught.texts), seed)
    learn_scores(
        student, taught.teacher(), training_pairs(taught.texts), lambda: taught.on_dev(student),
        Training(folder / STAGE_1, settings.pseudo, seed, watch=taught.run.watch),
    ).save(folder / TAUGHT)  # fmt: skip
    discard_checkpoints(folder / STAGE_1)


def _learn_labels(taught: _Taught, folder: Path) -> CrossEncoder:
    """Stage 2; the better of the two on dev."""
    recipe, settings, train = taught.run.recipe, taught.settings, taught.texts.train
    before, student = run_teacher(recipe, folder / TAUGHT), run_teacher(recipe, folder / TAUGHT, settings.dropout)
    of_pairs = recipe.texts.task.of_pairs
    labels, kind = labels_on_scale(train.labels, taught.pair_targets.logits[: len(train)], of_pairs)
    how = FineTuneSettings.model_validate(settings.model_dump(include=set(FitSettings.model_fields)))
    data = PairData(train.pairs, labels, kind, taught.texts.dev.pairs, taught.judge(student))
    training = Training(folder / STAGE_2, how, recipe.seed, watch=taught.run.watch)
    fine_tune(student, data, training, label="re-ranker on labels")
    discard_checkpoints(folder / STAGE_2)
    return student if taught.on_dev(student) >= taught.on_dev(before) else before


def _parity_pairs(texts: Texts, count: int) -> list[Pair]:
    """Pairs of the test set, an empty one, and some that are cut: at the first text, the second, and both."""
    given = [text for pair in texts.test.pairs[:LONG_TEXTS] for text in pair]
    long = " ".join(given)
    return [*texts.test.pairs[:count], ("", ""), (long, given[0]), (given[0], long), (long, long)]


def _seconds(estimate: Estimate) -> float:
    settings, train = estimate.recipe.reranker, estimate.train_tokens
    if settings is None:
        return 0.0
    scores = 4 / 3 * (train + estimate.unlabelled_tokens) * settings.pseudo.epochs
    return estimate.teacher_step * (scores + train * settings.epochs) + EXPORT_SECONDS


RERANKER = Stage(
    "reranker", VERSION, make_reranker, reads=("texts", "mine", "teacher", "targets"), seconds=_seconds,
    wanted=lambda recipe: recipe.reranker is not None,
    told=lambda estimate: f"{estimate.recipe.teacher.model}, maps shared" if estimate.recipe.teacher else "",
)  # fmt: skip
