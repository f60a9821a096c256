"""Stage `reranker`: the teacher again, with shared attention maps, trained on its scores and then on the labels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from decant.progress import Watch
from decant.training.fit import discard_checkpoints
from decant.training.optimizer import FitSettings, training_precision
from decant.training.training import Training
from export.artifact.manifest import GRAPH
from export.artifact.reranker_folder import check_score_parity
from export.graphs.to_onnx import export_cross_encoder
from export.serve.rerank_session import OnnxReranker
from pipeline.recipe.recipe import Recipe
from pipeline.run_dir import RunDir, Stage, fingerprint
from pipeline.stages.dev_metric import dev_metric, on_own_scale, one_score
from pipeline.stages.targets import PairTargets, training_pairs
from pipeline.stages.teacher import run_teacher
from pipeline.stages.vectors import pair_texts
from pipeline.texts.load import Texts
from students.cuts.start import shared_cross_encoder
from students.distill.distill_reranker import RerankerSettings, labels_on_scale, learn_scores
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

    stage: Stage
    largest_difference: float

    @property
    def before_labels(self) -> Path:
        """The folder of the model after stage 1."""
        return self.stage.folder / TAUGHT


def reranker_stage(
    recipe: Recipe, settings: RerankerSettings, texts: Texts, pair_targets: PairTargets, run_dir: RunDir, watch: Watch
) -> Reranked:
    """Share, learn the teacher's scores, learn the labels, export, and hold the graph to torch.

    Stage 2 is kept where it is at least as good on dev as stage 1.

    Raises:
        InputError: no two layers are alike enough to share a map, or the model cannot be exported.
        GateError: the graph's scores are not torch's.
    """
    inputs: dict[str, object] = {
        "settings": settings.model_dump(mode="json"), "targets": pair_targets.stage.fingerprint, "seed": recipe.seed,
        "teacher": pair_targets.teacher.fingerprint, "labels": texts.train.labels.tolist(),
        "dev": [texts.dev.pairs, texts.dev.labels.tolist()], "parity": recipe.export.parity.model_dump(mode="json"),
        "test": texts.test.pairs, "metric": recipe.measure.metric,
        "precision": [training_precision(one) for one in (settings.pseudo, settings)],
    }  # fmt: skip

    def write(folder: Path) -> None:
        _learn_scores(recipe, settings, texts, pair_targets, folder, watch)
        best = _learn_labels(recipe, settings, texts, pair_targets, folder, watch)
        best.save(folder)
        export_cross_encoder(best, folder / GRAPH)
        pairs = _parity_pairs(texts, recipe.export.parity.texts)
        limit = recipe.export.parity.comparator_difference
        largest = check_score_parity(OnnxReranker(folder), pairs, best.score(pairs), limit)
        (folder / FACTS).write_text(json.dumps({"largest_difference": largest}) + "\n", encoding="utf-8")

    stage = run_dir.make("reranker", fingerprint("reranker", VERSION, inputs), write)
    return Reranked(stage, **json.loads((stage.folder / FACTS).read_text(encoding="utf-8")))


def _learn_scores(
    recipe: Recipe, settings: RerankerSettings, texts: Texts, pair_targets: PairTargets, folder: Path, watch: Watch
) -> None:
    """Stage 1, into `before_labels`; nothing where a killed run has finished it."""
    if (folder / TAUGHT / "tokenizer.json").is_file():  # the last file to be saved
        return
    teacher = run_teacher(recipe, pair_targets.teacher.folder)
    start = run_teacher(recipe, pair_targets.teacher.folder, settings.pseudo.dropout)
    student = shared_cross_encoder(start, settings.sharing, pair_texts(texts), recipe.seed)
    learn_scores(
        student, teacher, training_pairs(texts), lambda: _on_dev(recipe, texts, student),
        Training(folder / STAGE_1, settings.pseudo, recipe.seed, watch=watch),
    ).save(folder / TAUGHT)  # fmt: skip
    discard_checkpoints(folder / STAGE_1)


def _learn_labels(
    recipe: Recipe, settings: RerankerSettings, texts: Texts, pair_targets: PairTargets, folder: Path, watch: Watch
) -> CrossEncoder:
    """Stage 2; the better of the two on dev."""
    before, student = run_teacher(recipe, folder / TAUGHT), run_teacher(recipe, folder / TAUGHT, settings.dropout)
    labels, kind = labels_on_scale(texts.train.labels, pair_targets.logits[: len(texts.train)], recipe.texts.task.kind)
    how = FineTuneSettings.model_validate(settings.model_dump(include=set(FitSettings.model_fields)))
    data = PairData(texts.train.pairs, labels, kind, texts.dev.pairs, _judge(recipe, texts, student))
    training = Training(folder / STAGE_2, how, recipe.seed, watch=watch)
    fine_tune(student, data, training, label="re-ranker on labels")
    discard_checkpoints(folder / STAGE_2)
    return student if _on_dev(recipe, texts, student) >= _on_dev(recipe, texts, before) else before


def _judge(recipe: Recipe, texts: Texts, model: CrossEncoder) -> Metric:
    """Raw scores on dev → the task's metric."""
    kind = recipe.texts.task.kind
    metric = dev_metric(kind, texts.dev.labels, recipe.measure.metric)
    return lambda logits: metric(on_own_scale(one_score(logits), kind, model.activation))


def _on_dev(recipe: Recipe, texts: Texts, model: CrossEncoder) -> float:
    return _judge(recipe, texts, model)(model.score(texts.dev.pairs))


def _parity_pairs(texts: Texts, count: int) -> list[Pair]:
    """Pairs of the test set, an empty one, and some that are cut: at the first text, the second, and both."""
    given = [text for pair in texts.test.pairs[:LONG_TEXTS] for text in pair]
    long = " ".join(given)
    return [*texts.test.pairs[:count], ("", ""), (long, given[0]), (given[0], long), (long, long)]
