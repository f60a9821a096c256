"""Stage `student`: one student a seed and alpha; the best on dev of the recipe's own alpha is the student."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decant.models.encoder import SentenceEncoder
from decant.models.reference import model_digest, resolve_model
from decant.progress import Watch
from decant.training.checkpoint_callback import DEV_METRIC
from decant.training.fit import discard_checkpoints
from decant.training.optimizer import training_precision
from decant.training.training import Training
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.recipe_prompts import pairs_for, prompt_inputs, student_prompts
from pipeline.run_dir import MARK, RunDir, Stage, fingerprint
from pipeline.stages.dev_metric import dev_metric
from pipeline.stages.pruned_vocabulary import vocabulary_inputs
from pipeline.stages.sharing import sharing_inputs
from pipeline.stages.targets import PairTargets, pairs_digest, student_targets, training_pairs
from pipeline.stages.vectors import VectorTargets, pair_texts
from pipeline.texts.load import Texts
from students.cuts.soup import soup
from students.cuts.start import shrink
from students.cuts.vocabulary import listed_texts
from students.distill.distill_pairs import distill, new_student
from students.nesting.nested import all_dims, grid_predictions
from students.pair_student import Student, cosines
from teachers.cross_encoders.cross_encoder import Pair
from teachers.cross_encoders.fine_tune import Metric, PairData
from teachers.labels.token_rows import number_texts
from teachers.labels.vector_store import JoinedVectors, Vectors

VERSION = 3
LISTED = 100_000  # pairs; the fingerprints of more than that would take gigabytes to write down
TRAINING, FACTS = "training", "trained.json"
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Trained:
    """One trained student and its metric on dev."""

    alpha: float
    seed: int
    stage: Stage
    dev: float


def students_stage(
    recipe: Recipe, base: Path, texts: Texts, pair_targets: PairTargets | None, vector_targets: VectorTargets | None,
    embedded: Stage | None,
    run_dir: RunDir, watch: Watch,
) -> tuple[Stage, list[Trained]]:  # fmt: skip
    """The chosen student's folder, and all that were trained (the recipe's alpha first, then those to compare).

    Without training pairs the student is the embedded one; a model that came trained is taken as it is.

    Args:
        pair_targets: a cross-encoder's logits; without, the embedding teachers' cosines stand in their place.
        embedded: the student that training starts from, where vectors were learned first.
    """
    settings = recipe.student
    if settings.trained:
        return _as_it_is(recipe, base, texts, run_dir), []
    if embedded is not None and not len(texts.train):
        return _copy("student", embedded, run_dir), []
    source = embedded.folder if embedded is not None else resolve_model(settings.model, base)
    prompts = student_prompts(recipe, base)
    pairs = pairs_for(recipe, prompts, training_pairs(texts))
    dev_pairs = pairs_for(recipe, prompts, texts.dev.pairs)
    vectors = _pair_vectors(recipe, vector_targets, texts, pairs)
    from_teachers: list[object] = [one.stage.fingerprint for one in (pair_targets, vector_targets) if one is not None]
    from_teachers += [weight for _, weight in vector_targets.teachers] if vector_targets is not None else []
    listed = listed_texts(settings.vocabulary, base)
    elsewhere = {"seeds", "compare_alphas", "alpha", "soup", "vocabulary", "trained", "sharing", "prompts"}
    common: dict[str, object] = {
        "settings": settings.model_dump(mode="json", exclude=elsewhere),
        "model": model_digest(source), "targets": from_teachers, "metric": recipe.measure.metric,
        **_named_pairs(texts),
        "dev": [texts.dev.pairs, texts.dev.labels.tolist()],
        "precision": training_precision(settings), **vocabulary_inputs(settings.vocabulary, listed),
        **sharing_inputs(settings.sharing), **prompt_inputs(recipe, prompts),
    }  # fmt: skip
    wanted = _wanted(recipe, texts, pair_targets, vector_targets)
    labels = np.concatenate([texts.train.labels, texts.unlabelled.labels])
    metric = dev_metric(recipe.texts.task.kind, texts.dev.labels, recipe.measure.metric)
    shrink_on = _texts_to_shrink_on(recipe, pairs) if embedded is None else []
    if shrink_on and (settings.ffn_width is not None or settings.sharing is not None):
        common["shrink_seed"] = recipe.seed
    trained = []
    for alpha in (settings.alpha, *settings.compare_alphas):
        for seed in settings.seeds:

            def write(folder: Path, alpha: float = alpha, seed: int = seed) -> None:
                student = new_student(
                    source, recipe.texts.task.outputs, settings, seed, shrink_on, recipe.seed, listed, prompts
                )
                judge = _judge(recipe, dev_pairs, student, metric)
                data = PairData(pairs, labels, recipe.texts.task.kind, dev_pairs, metric)
                training = Training(folder / TRAINING, settings, seed, recipe.trainer, watch)
                distill(student, data, wanted, training, alpha=alpha, dev=judge, vectors=vectors).save(folder)
                facts = {"alpha": alpha, "seed": seed, DEV_METRIC: judge()}
                (folder / FACTS).write_text(json.dumps(facts) + "\n", encoding="utf-8")
                discard_checkpoints(folder / TRAINING)

            mark = fingerprint("student", VERSION, common | {"alpha": alpha, "seed": seed})
            stage = run_dir.make(f"students/alpha{alpha:g}-seed{seed}", mark, write)
            facts = json.loads((stage.folder / FACTS).read_text(encoding="utf-8"))
            trained.append(Trained(alpha, seed, stage, facts[DEV_METRIC]))
    own = [one for one in trained if one.alpha == settings.alpha]
    best = max(own, key=lambda one: one.dev)
    if settings.soup and len(own) > 1:
        mixed = _soup(recipe, dev_pairs, own, metric, run_dir)
        best = mixed if mixed.dev > best.dev else best
    return _copy("student", best.stage, run_dir), trained


def _named_pairs(texts: Texts) -> dict[str, object]:
    """The labels and the pairs without any, as a fingerprint takes them: many by a digest, few as they are."""
    labels, unlabelled = texts.train.labels, texts.unlabelled.pairs
    return {
        "labels": labels.tolist() if len(labels) <= LISTED else hashlib.sha256(labels.tobytes()).hexdigest(),
        "unlabelled": list(unlabelled) if len(unlabelled) <= LISTED else pairs_digest(unlabelled),
    }


def _texts_to_shrink_on(recipe: Recipe, pairs: Sequence[Pair]) -> Sequence[str]:
    """The distinct texts of the pairs; where the student is cut in no way that looks at them, one is enough."""
    settings = recipe.student
    looks = any(one is not None for one in (settings.vocabulary, settings.ffn_width, settings.sharing))
    if not looks:
        return [text for pair in pairs[:1] for text in pair]
    return list(dict.fromkeys(text for pair in pairs for text in pair))


def _as_it_is(recipe: Recipe, base: Path, texts: Texts, run_dir: RunDir) -> Stage:
    """The recipe's model untrained; of its tokens, those that the texts need where the recipe wants fewer."""
    settings = recipe.student
    source, listed = resolve_model(settings.model, base), listed_texts(settings.vocabulary, base)
    needed = pair_texts(texts) if settings.vocabulary is not None else []
    prompts = student_prompts(recipe, base)
    inputs: dict[str, object] = {
        "model": model_digest(source), "texts": needed, "pooling": settings.pooling, "max_length": settings.max_length,
        **vocabulary_inputs(settings.vocabulary, listed), **prompt_inputs(recipe, prompts),
    }  # fmt: skip

    def write(folder: Path) -> None:
        encoder = SentenceEncoder.load(source, settings.max_length, settings.pooling).for_cosine(prompts)
        Student(shrink(encoder, (), None, needed, recipe.seed, settings.vocabulary, listed)).save(folder)

    return run_dir.make("student", fingerprint("student", VERSION, inputs), write)


def seeds_of_soup(student: Stage) -> list[int]:
    """The seeds whose mean the chosen student is; none where it is a single one."""
    facts = student.folder / FACTS
    return list(json.loads(facts.read_text(encoding="utf-8")).get("seeds", [])) if facts.is_file() else []


def _soup(
    recipe: Recipe, dev_pairs: Sequence[Pair], trained: list[Trained], metric: Metric, run_dir: RunDir
) -> Trained:
    """The mean of the seeds' students, and its metric on dev."""

    def write(folder: Path) -> None:
        mixed = soup([Student.load(one.stage.folder) for one in trained])
        mixed.save(folder)
        facts = {"alpha": trained[0].alpha, "seeds": [one.seed for one in trained]}
        facts |= {DEV_METRIC: _judge(recipe, dev_pairs, mixed, metric)()}
        (folder / FACTS).write_text(json.dumps(facts) + "\n", encoding="utf-8")

    made_from: dict[str, object] = {"students": [one.stage.fingerprint for one in trained]}
    stage = run_dir.make("students/soup", fingerprint("soup", VERSION, made_from), write)
    facts = json.loads((stage.folder / FACTS).read_text(encoding="utf-8"))
    return Trained(trained[0].alpha, trained[0].seed, stage, facts[DEV_METRIC])


def _pair_vectors(
    recipe: Recipe, vector_targets: VectorTargets | None, texts: Texts, pairs: Sequence[Pair]
) -> Vectors | None:
    """The teachers' vectors of the distinct texts of the pairs, as the student reads them, in their first order.

    A text that the student reads alike on both sides has the vector of the side that it stands on first.
    """
    if vector_targets is None:
        return None
    columns = recipe.texts.columns
    if columns.first_prompt == columns.second_prompt:
        return vector_targets.side_vectors(pair_texts(texts), columns.first_prompt)
    places = number_texts(pairs)[1]
    every = training_pairs(texts)
    sides = [[every[place // 2][side] for place in places if place % 2 == side] for side in (0, 1)]
    stores = [
        vector_targets.side_vectors(some, name)
        for some, name in zip(sides, (columns.first_prompt, columns.second_prompt), strict=True)
    ]
    part = (places % 2).astype(np.int32)
    row = np.where(part == 0, np.cumsum(part == 0), np.cumsum(part == 1)) - 1
    return JoinedVectors(stores, part, row.astype(np.int64))


def _wanted(
    recipe: Recipe, texts: Texts, pair_targets: PairTargets | None, vector_targets: VectorTargets | None
) -> Array:
    """What the student regresses, float32 [pairs, outputs], on the labels' scale.

    Cosines of embedding teachers are put on it by the straight line that fits them to the labels best.
    """
    if pair_targets is not None:
        return student_targets(recipe, pair_targets.logits, texts, pair_targets.teacher.folder)
    assert vector_targets is not None
    columns = recipe.texts.columns
    sides = [
        vector_targets.side_vectors([pair[side] for pair in training_pairs(texts)], name)
        for side, name in enumerate((columns.first_prompt, columns.second_prompt))
    ]
    every = np.arange(len(sides[0]))
    found = cosines(sides[0].take(every), sides[1].take(every))
    slope, offset = np.polyfit(found[: len(texts.train)], texts.train.labels, 1)
    return (slope * found + offset).astype(np.float32)[:, None]


def _judge(recipe: Recipe, dev_pairs: Sequence[Pair], student: Student, metric: Metric) -> Callable[[], float]:
    """The metric on dev; of a nested student, its mean over every depth and vector length."""
    if recipe.student.nesting is None:
        return lambda: metric(student.predict(dev_pairs))
    dims = all_dims(student.encoder.width, recipe.student.dims)
    return lambda: float(
        np.mean([metric(scores) for scores in grid_predictions(student.encoder, dev_pairs, dims).values()])
    )


def _copy(name: str, source: Stage, run_dir: RunDir) -> Stage:
    def choose(folder: Path) -> None:
        shutil.copytree(source.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MARK))

    return run_dir.make(name, fingerprint(name, VERSION, {"best": source.fingerprint}), choose)
