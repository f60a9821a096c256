"""Stage `teacher`: load a trained cross-encoder, or fine-tune one, into the run directory."""

from __future__ import annotations

from pathlib import Path

from decant.models.reference import model_digest
from decant.training.optimizer import training_precision
from decant.training.training import Training
from pipeline.fingerprint import stated
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.sections import FineTuneTeacher, LoadTeacher
from pipeline.stages.dev_metric import dev_metric
from pipeline.stages.estimate import Estimate
from pipeline.stages.stage import Done, Made, Run, Stage
from teachers.cross_encoders.cross_encoder import CrossEncoder
from teachers.cross_encoders.cross_reading import Classes, statements
from teachers.cross_encoders.fine_tune import PairData, fine_tune

VERSION = 2


def make_teacher(run: Run, made: Made) -> Done:
    """The teacher's folder: a cross-encoder that `run_teacher` reads, whose outputs are in the order of the classes.

    A loaded teacher does not depend on the texts; a fine-tuned one is made anew when they change. A loaded one that is
    to be quantized stands there as it was quantized, so that whatever is made of it knows of that by its digest.
    """
    recipe, texts, settings = run.recipe, made.texts, run.recipe.teacher
    assert settings is not None
    source, task = run.model(settings.model), recipe.texts.task
    inputs: dict[str, object] = {
        "settings": stated(settings, leave_out=("model", "classes")), "model": model_digest(source)
    }  # fmt: skip
    if isinstance(settings, FineTuneTeacher):
        inputs |= {"texts": made.texts_done.fingerprint, "seed": recipe.seed, "metric": recipe.measure.metric}
        inputs |= {"precision": training_precision(settings)}
    else:
        inputs |= {"read": _as_read(recipe, settings, source)}

    def write(folder: Path) -> None:
        from decant.training.fit import discard_checkpoints  # Lightning takes seconds, which a check need not wait

        if not isinstance(settings, FineTuneTeacher):
            CrossEncoder.load(
                source, allowed_outputs(recipe), settings.max_length, classes=classes_of(recipe),
                quantize=settings.quantize,
            ).save(folder)  # fmt: skip
            return
        teacher = CrossEncoder.from_backbone(
            source, task.outputs, settings.max_length, dropout=settings.dropout, seed=recipe.seed,
            quantize=settings.quantize, classes=task.names,
        )  # fmt: skip
        metric = dev_metric(task.of_pairs, texts.dev.labels, recipe.measure.metric)
        data = PairData(texts.train.pairs, texts.train.labels, task.of_pairs, texts.dev.pairs, metric)
        training = Training(folder / "training", settings, recipe.seed, recipe.trainer, run.watch)
        fine_tune(teacher, data, training).save(folder)
        discard_checkpoints(folder / "training")

    made.teacher = run.make("teacher", VERSION, inputs, write)
    return Done(made.teacher, settings.model)


def run_teacher(recipe: Recipe, folder: Path, dropout: float | None = None) -> CrossEncoder:
    """A cross-encoder of the run's own, whose outputs are in the order of the task's classes whatever it calls them.

    Folders of earlier versions do not name them.
    """
    cross = CrossEncoder.load(folder, allowed_outputs(recipe), dropout=dropout)
    cross.name_classes(recipe.texts.task.names)
    return cross


def classes_of(recipe: Recipe) -> Classes | None:
    """What the outputs of a loaded teacher are to stand for; None for a regression."""
    names = recipe.texts.task.names
    return Classes(names, getattr(recipe.teacher, "classes", None)) if names else None


def _as_read(recipe: Recipe, settings: LoadTeacher, source: Path) -> dict[str, object]:
    """What a folder says of its outputs and texts that decides its scores, for a fingerprint."""
    order, said = statements(source, allowed_outputs(recipe), classes_of(recipe))
    on_scale = recipe.texts.task.kind == "regression" and said.activation == "sigmoid"
    return {
        "order": order, "prompt": said.prompt, "lower_case": said.lower_case,
        "max_length": said.max_length if settings.max_length is None else None,
        "activation": said.activation if on_scale else None,
    }  # fmt: skip


def allowed_outputs(recipe: Recipe) -> tuple[int, ...]:
    """How many logits a teacher of this task may give: a binary one may give one, or one a class."""
    return (1, 2) if recipe.texts.task.kind == "binary" else (recipe.texts.task.outputs,)


def _seconds(estimate: Estimate) -> float:
    teacher = estimate.recipe.teacher
    epochs = teacher.epochs if isinstance(teacher, FineTuneTeacher) else 0
    return estimate.teacher_step * estimate.train_tokens * epochs + 10 if epochs else 10.0


TEACHER = Stage(
    "teacher", VERSION, make_teacher, reads=("texts",), seconds=_seconds,
    wanted=lambda recipe: recipe.teacher is not None,
    told=lambda estimate: estimate.recipe.teacher.model if estimate.recipe.teacher is not None else "",
)  # fmt: skip
