"""Stage `student`: one student a seed and alpha; the best on dev of the recipe's own alpha is the student."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decant.models.encoder import SentenceEncoder
from decant.models.prompts import Prompts
from decant.models.reference import model_digest
from decant.models.similarity import cosines
from decant.training.checkpoint_callback import DEV_METRIC
from decant.training.fit import discard_checkpoints
from decant.training.optimizer import training_precision
from decant.training.training import Training
from pipeline.fingerprint import digest, pairs_digest, stated
from pipeline.marks import ADOPTED, MARK
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.recipe_prompts import pairs_for, prompt_inputs, student_prompts
from pipeline.run_dir import Finished
from pipeline.stages.dev_metric import dev_metric
from pipeline.stages.estimate import Estimate
from pipeline.stages.sharing import said_maps
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.stages.student_lists import ListsOfStudent
from pipeline.stages.table import turned
from pipeline.stages.targets import PairTargets, student_targets, training_pairs
from pipeline.stages.vectors import VectorTargets
from pipeline.texts.load import Texts, pair_texts
from students.cuts.soup import soup
from students.cuts.start import shrink
from students.cuts.vocabulary import listed_texts
from students.distill.distill_pairs import distill, new_student
from students.distill.distill_settings import PairSettings
from students.nesting.nested import all_dims, grid_predictions
from students.pair_student import Student
from teachers.cross_encoders.cross_encoder import Pair
from teachers.cross_encoders.fine_tune import Metric, PairData
from teachers.labels.token_rows import number_texts
from teachers.labels.vector_store import JoinedVectors, Vectors

VERSION = 3
OF_ONE_TRAINING = ("model", "seeds", "compare_alphas", "alpha", "soup", "trained", "prompts", "vocabulary.keep_from")
TRAINING, FACTS = "training", "trained.json"
Array = NDArray[np.float32]
Judge = Callable[[Student], Callable[[], float]]


@dataclass(frozen=True)
class Trained:
    """One trained student and its metric on dev."""

    alpha: float
    seed: int
    stage: Finished
    dev: float


def make_student(run: Run, made: Made) -> Done:
    """The chosen student's folder, and all that were trained (the recipe's alpha first, then those to compare).

    Without training pairs the student is the embedded one; a model that came trained is taken as it is. Where no
    cross-encoder scores pairs, the cosines of the embedding teachers stand in the place of its logits.
    """
    settings, texts = run.recipe.student, made.texts
    if settings.trained:
        made.student = _as_it_is(run, texts)
        return Done(made.student, f"{settings.model} as it is{said_maps(made.student)}")
    if made.embedded is not None and not len(texts.train):
        made.student = _copy(run, made.embedded)
        return Done(made.student, f"as embedded: no labelled pairs{said_maps(made.student)}")
    judge: Judge
    if made.lists is not None:
        lists = ListsOfStudent.of(run, made)
        judge, made.trained = lists.judge, _train_lists(run, made, lists)
    else:
        pairs = PairsOfStudent.of(run, texts)
        judge, made.trained = pairs.judge, _train(run, made, pairs)
    own = [one for one in made.trained if one.alpha == settings.alpha]
    best = max(own, key=lambda one: one.dev)
    if settings.soup and len(own) > 1:
        mixed = _soup(run, judge, own)
        best = mixed if mixed.dev > best.dev else best
    made.student = _copy(run, best.stage)
    said = f"{len(made.trained)} trained, {settings.form}{said_maps(made.student)}"
    return Done(made.student, said, [one.stage for one in made.trained])


@dataclass(frozen=True)
class PairsOfStudent:
    """The pairs as the student reads them, behind its prompts, and the metric on dev."""

    recipe: Recipe
    prompts: Prompts
    train: Sequence[Pair]
    dev: Sequence[Pair]
    metric: Metric

    @classmethod
    def of(cls, run: Run, texts: Texts) -> PairsOfStudent:
        """Those of a run."""
        recipe, prompts = run.recipe, student_prompts(run.recipe, run.base)
        train, dev = (pairs_for(recipe, prompts, some) for some in (training_pairs(texts), texts.dev.pairs))
        metric = dev_metric(recipe.texts.task.of_pairs, texts.dev.labels, recipe.measure.metric)
        return cls(recipe, prompts, train, dev, metric)

    def judge(self, student: Student) -> Callable[[], float]:
        """The metric on dev; of a nested student, its mean over every depth and vector length."""
        if self.recipe.student.nesting is None:
            return lambda: self.metric(student.predict(self.dev))
        dims = all_dims(student.encoder.width, self.recipe.student.dims)
        return lambda: float(
            np.mean([self.metric(scores) for scores in grid_predictions(student.encoder, self.dev, dims).values()])
        )


def _train(run: Run, made: Made, pairs: PairsOfStudent) -> list[Trained]:
    """One student an alpha and seed."""
    recipe, texts, settings = run.recipe, made.texts, run.recipe.student
    source = made.embedded.folder if made.embedded is not None else run.model(settings.model)
    vectors = _pair_vectors(recipe, made.vector_targets, texts, pairs.train)
    if vectors is not None and made.table is not None:
        vectors = turned(made.table, vectors)
    listed = listed_texts(settings.vocabulary, run.base)
    shrink_on = _texts_to_shrink_on(recipe, pairs.train) if made.embedded is None else []
    cut = bool(shrink_on) and (settings.ffn_width is not None or settings.sharing is not None)
    common: dict[str, object] = {
        "settings": stated(settings, leave_out=OF_ONE_TRAINING), "model": model_digest(source),
        "targets": [one.stage.fingerprint for one in (made.pair_targets, made.vector_targets) if one is not None],
        "weights": made.vector_targets.weights if made.vector_targets is not None else None,
        "labels": texts.train.labels, "unlabelled": pairs_digest(texts.unlabelled.pairs),
        "dev": pairs_digest(texts.dev.pairs), "dev_labels": texts.dev.labels, "metric": recipe.measure.metric,
        "precision": training_precision(settings), "listed": listed,
        "prompts": prompt_inputs(recipe, pairs.prompts), "shrink_seed": recipe.seed if cut else None,
    }  # fmt: skip
    wanted = _wanted(recipe, texts, made.pair_targets, made.vector_targets)
    labels = np.concatenate([texts.train.labels, texts.unlabelled.labels])

    def train(training: Training[PairSettings], alpha: float) -> tuple[Student, Callable[[], float]]:
        student = new_student(
            source, recipe.texts.task.outputs, settings, training.seed, shrink_on, recipe.seed, listed, pairs.prompts
        )
        data = PairData(pairs.train, labels, recipe.texts.task.of_pairs, pairs.dev, pairs.metric)
        judge = pairs.judge(student)
        return distill(student, data, wanted, training, alpha=alpha, dev=judge, vectors=vectors), judge

    return _each(run, common, train)


def _train_lists(run: Run, made: Made, lists: ListsOfStudent) -> list[Trained]:
    """One student of rankings a seed."""
    recipe, settings = run.recipe, run.recipe.student
    source = made.embedded.folder if made.embedded is not None else run.model(settings.model)
    prompts, listed = student_prompts(recipe, run.base), listed_texts(settings.vocabulary, run.base)
    read = pairs_for(recipe, prompts, training_pairs(made.texts))
    shrink_on = _texts_to_shrink_on(recipe, read) if made.embedded is None else []
    common: dict[str, object] = {
        "settings": stated(settings, leave_out=OF_ONE_TRAINING), "model": model_digest(source),
        "targets": [one.stage.fingerprint for one in (made.pair_targets, made.vector_targets) if one is not None],
        "weights": made.vector_targets.weights if made.vector_targets is not None else None,
        "texts": made.texts_done.fingerprint, "lists": lists.data.lists, "limits": lists.data.limits,
        "metric": recipe.measure.metric, "precision": training_precision(settings), "listed": listed,
        "prompts": prompt_inputs(recipe, prompts), "shrink_seed": recipe.seed if shrink_on else None,
    }  # fmt: skip

    def train(training: Training[PairSettings], alpha: float) -> tuple[Student, Callable[[], float]]:
        student = new_student(source, 1, settings, training.seed, shrink_on, recipe.seed, listed, prompts)
        return lists.train(student, training), lists.judge(student)

    return _each(run, common, train)


def _each(
    run: Run, common: Mapping[str, object],
    train: Callable[[Training[PairSettings], float], tuple[Student, Callable[[], float]]],
) -> list[Trained]:  # fmt: skip
    """A student an alpha and seed.

    Args:
        common: inputs of all of them.
        train: training, alpha → a trained student, and its metric on dev.
    """
    recipe, settings = run.recipe, run.recipe.student
    trained = []
    for alpha in (settings.alpha, *settings.compare_alphas):
        for seed in settings.seeds:

            def write(folder: Path, alpha: float = alpha, seed: int = seed) -> None:
                training = Training(folder / TRAINING, settings, seed, recipe.trainer, run.watch)
                student, judge = train(training, alpha)
                student.save(folder)
                facts = {"alpha": alpha, "seed": seed, DEV_METRIC: judge()}
                (folder / FACTS).write_text(json.dumps(facts) + "\n", encoding="utf-8")
                discard_checkpoints(folder / TRAINING)

            inputs = {**common, "alpha": alpha, "seed": seed}
            stage = run.make(f"students/alpha{alpha:g}-seed{seed}", VERSION, inputs, write)
            facts = json.loads((stage.folder / FACTS).read_text(encoding="utf-8"))
            trained.append(Trained(alpha, seed, stage, facts[DEV_METRIC]))
    return trained


def _texts_to_shrink_on(recipe: Recipe, pairs: Sequence[Pair]) -> Sequence[str]:
    """The distinct texts of the pairs; where the student is cut in no way that looks at them, one is enough."""
    settings = recipe.student
    looks = any(one is not None for one in (settings.vocabulary, settings.ffn_width, settings.sharing))
    if not looks:
        return [text for pair in pairs[:1] for text in pair]
    return list(dict.fromkeys(text for pair in pairs for text in pair))


def _as_it_is(run: Run, texts: Texts) -> Finished:
    """The recipe's model untrained; of its tokens, those that the texts need where the recipe wants fewer."""
    recipe, settings = run.recipe, run.recipe.student
    source, listed = run.model(settings.model), listed_texts(settings.vocabulary, run.base)
    needed = pair_texts(texts) if settings.vocabulary is not None else []
    prompts = student_prompts(recipe, run.base)
    inputs: dict[str, object] = {
        "model": model_digest(source), "texts": digest(needed) if needed else None, "listed": listed,
        "settings": stated(settings, ("vocabulary.keep_from",), only=("pooling", "max_length", "vocabulary")),
        "prompts": prompt_inputs(recipe, prompts),
    }  # fmt: skip

    def write(folder: Path) -> None:
        encoder = SentenceEncoder.load(source, settings.max_length, settings.pooling).for_cosine(prompts)
        Student(shrink(encoder, (), None, needed, recipe.seed, settings.vocabulary, listed)).save(folder)

    return run.make("student", VERSION, inputs, write)


def seeds_of_soup(student: Finished) -> list[int]:
    """The seeds whose mean the chosen student is; none where it is a single one."""
    facts = student.folder / FACTS
    return list(json.loads(facts.read_text(encoding="utf-8")).get("seeds", [])) if facts.is_file() else []


def _soup(run: Run, judge: Judge, trained: list[Trained]) -> Trained:
    """The mean of the seeds' students, and its metric on dev."""

    def write(folder: Path) -> None:
        mixed = soup([Student.load(one.stage.folder) for one in trained])
        mixed.save(folder)
        facts = {"alpha": trained[0].alpha, "seeds": [one.seed for one in trained]}
        facts |= {DEV_METRIC: judge(mixed)()}
        (folder / FACTS).write_text(json.dumps(facts) + "\n", encoding="utf-8")

    made_from: dict[str, object] = {"students": [one.stage.fingerprint for one in trained]}
    stage = run.make("students/soup", VERSION, made_from, write)
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


def _copy(run: Run, source: Finished) -> Finished:
    def choose(folder: Path) -> None:
        shutil.copytree(source.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MARK, ADOPTED))

    return run.make("student", VERSION, {"best": source.fingerprint}, choose)


def _seconds(estimate: Estimate) -> float:
    student, texts = estimate.recipe.student, estimate.train_tokens + estimate.unlabelled_tokens
    return 5.0 if student.trained else estimate.student_step * texts * student.epochs * estimate.students + 10


def _told(estimate: Estimate) -> str:
    student = estimate.recipe.student
    if student.trained:
        return f"{student.model} as it is"
    return f"{estimate.students} of {student.model}" if len(estimate.texts.train) else "as embedded"


STUDENT = Stage(
    "student", VERSION, make_student, seconds=_seconds, told=_told, parts="students",
    reads=("texts", "vectors", "candidates", "mine", "targets", "table", "embed"),
)  # fmt: skip
