"""Stage `targets`: the teacher's raw logits for every training pair, and what the student learns from them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from decant.models.quantized import quantized_kind
from decant.models.reference import model_digest
from export.graphs.to_onnx import export_cross_encoder
from export.serve.encode_precision import EncodePrecision
from export.serve.encode_texts import encoding_precision
from export.serve.score_pairs import OnnxCrossEncoder
from pipeline.fingerprint import pairs_digest
from pipeline.label_cost import Labelling
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.sections import LoadTeacher
from pipeline.run_dir import Finished
from pipeline.stages.estimate import Estimate
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.stages.teacher import run_teacher
from pipeline.texts.load import Texts
from teachers.cross_encoders.cross_encoder import CrossEncoder, Pair
from teachers.cross_encoders.cross_folder import stated_activation
from teachers.labels.pair_table import join_pairs
from teachers.labels.ray_workers import ray_workers
from teachers.labels.score_store import Score, teacher_targets
from teachers.labels.shard_store import SHARD_FILES, labelled_items, link_shards

VERSION = 1
SHARDS = "shards"
EXPORT_PAIRS = 1000  # below this, exporting takes longer than it saves
PROBES: list[Pair] = [("a dog", "b"), ("one two " * 20, "three"), ("four", "five six seven " * 15), ("a b c d", "e f")]
PROBE_DIFFERENCE = 1e-3
Array = NDArray[np.float32]


@dataclass(frozen=True)
class PairTargets:
    """A cross-encoder, and its raw logits, float32 [train + unlabelled pairs, outputs]."""

    teacher: Finished
    stage: Finished
    logits: Array


def make_targets(run: Run, made: Made) -> Done:
    """The teacher's raw logits for every training pair.

    Scores are found by content, so a longer training set costs only its new pairs.
    """
    assert made.teacher is not None
    recipe, teacher, pairs = run.recipe, made.teacher, training_pairs(made.texts)
    model = run_teacher(recipe, teacher.folder)
    inputs = {"teacher": model_digest(teacher.folder), "pairs": pairs_digest(pairs), "outputs": model.outputs}
    name = str(inputs["teacher"])[:16]
    if quantized_kind(model.model) is not None:
        inputs |= {"precision": encoding_precision("auto")}
        name += f"-{inputs['precision']}"
    finished = run.folder.folder("targets") / SHARDS / name

    def write(folder: Path) -> None:
        shards = folder / SHARDS / finished.name
        link_shards(finished, shards)
        before, started = labelled_items(shards), time.perf_counter()
        if recipe.labels.engine == "ray":
            make = partial(
                scorer, outputs=model.outputs, pairs=len(pairs), threads=recipe.labels.threads,
                precision=encoding_precision("auto"),
            )  # fmt: skip
            label_parts = ray_workers(recipe.labels, make, teacher.folder)
            teacher_targets(pairs, _unexpected, shards, model.outputs, watch=run.watch, label_parts=label_parts)
        else:
            teacher_targets(pairs, fast_score(model, len(pairs), folder), shards, model.outputs, watch=run.watch)
        seconds, after = time.perf_counter() - started, labelled_items(shards)
        size = sum(path.stat().st_size for path in shards.glob(SHARD_FILES)) / max(1, after)
        workers = recipe.labels.workers if recipe.labels.engine == "ray" else 1
        Labelling(after - before, seconds, workers, size).write(folder)

    stage = run.make("targets", VERSION, inputs, write)
    logits = teacher_targets(pairs, _unexpected, finished, model.outputs)
    made.pair_targets = PairTargets(teacher, stage, logits)
    return Done(stage, f"{len(logits):,} pairs scored")


def training_pairs(texts: Texts) -> Sequence[Pair]:
    """What students train on: the labelled pairs, then those that only the teacher labels."""
    return join_pairs(texts.train.pairs, texts.unlabelled.pairs)


def student_targets(recipe: Recipe, logits: Array, texts: Texts, teacher: Path) -> Array:
    """What the student regresses, float32 [pairs, outputs].

    Comparator: raw logits (z1 − z0 where a binary teacher gives two). Cosine: scores on the labels' scale, by the
    logistic function for a binary teacher or one that states it, and for a loaded regression teacher that states
    none by the straight line that fits its logits to the labels best.
    """
    kind = recipe.texts.task.kind
    if kind == "multiclass":
        return logits
    if kind == "binary":
        logits = logits[:, 1:] - logits[:, :1] if logits.shape[1] == 2 else logits
        return logits if recipe.student.form == "comparator" else _logistic(logits)
    if stated_activation(teacher) == "sigmoid":
        return _logistic(logits)
    if isinstance(recipe.teacher, LoadTeacher):
        labelled = len(texts.train)
        slope, offset = np.polyfit(logits[:labelled, 0], texts.train.labels, 1)
        return (slope * logits + offset).astype(np.float32)
    return logits


def scorer(folder: Path, scratch: Path, *, outputs: int, pairs: int, threads: int, precision: EncodePrecision) -> Score:
    """The scores of the teacher in a folder, by the way that `fast_score` takes for so many pairs."""
    return fast_score(CrossEncoder.load(folder, (outputs,)), pairs, scratch, threads, precision)


def fast_score(
    model: CrossEncoder, pairs: int, folder: Path, threads: int | None = None, precision: EncodePrecision = "auto"
) -> Score:
    """The teacher's scores by the fastest way here: onnxruntime for many pairs on a CPU, else torch.

    Torch also takes over where the model cannot be exported, or its graph does not give its scores again. Quantized
    weights stay in torch, and are multiplied in bfloat16 where the processor does so natively.

    Args:
        pairs: how many there are in all.
        folder: holds the graph until this returns.
        threads: of onnxruntime; all that this process may use, unless given.
        precision: of quantized weights' products; auto: as above.
    """

    def by_torch(part: Sequence[Pair], progress: Callable[[int], None]) -> Array:
        return model.score(part, progress=lambda done, note="": progress(done))

    def in_bf16(part: Sequence[Pair], progress: Callable[[int], None]) -> Array:
        with torch.autocast(next(model.parameters()).device.type, torch.bfloat16):
            return by_torch(part, progress)

    if quantized_kind(model.model) is not None:
        return in_bf16 if encoding_precision(precision) == "bf16" else by_torch
    if pairs < EXPORT_PAIRS or torch.cuda.is_available():
        return by_torch
    exported = _exported(model, folder / "teacher.onnx", threads)
    return by_torch if exported is None else lambda part, progress: exported.score(part, progress)


def _exported(model: CrossEncoder, graph: Path, threads: int | None) -> OnnxCrossEncoder | None:
    """The model in onnxruntime; None where that cannot be, or gives other scores."""
    try:
        export_cross_encoder(model, graph)
        exported = OnnxCrossEncoder(model, graph, threads)
        same = np.allclose(exported.score(PROBES), model.score(PROBES), rtol=PROBE_DIFFERENCE, atol=PROBE_DIFFERENCE)
    except Exception:  # onnxruntime's own errors, at the first length that was not traced, share no base
        return None
    finally:
        graph.unlink(missing_ok=True)
    return exported if same else None


def _unexpected(pairs: Sequence[Pair], progress: Callable[[int], None]) -> Array:
    raise RuntimeError(f"{len(pairs)} pairs have no score in a finished targets folder")


def _logistic(logits: Array) -> Array:
    return expit(logits.astype(np.float64)).astype(np.float32)


def _told(estimate: Estimate) -> str:
    return f"{estimate.train_pairs + len(estimate.texts.unlabelled):,} pairs"


TARGETS = Stage(
    "targets", VERSION, make_targets, reads=("texts", "candidates", "mine", "teacher"), told=_told,
    wanted=lambda recipe: recipe.teacher is not None,
    seconds=lambda estimate: estimate.teacher_step / 3 * (estimate.train_tokens + estimate.unlabelled_tokens),
)  # fmt: skip
