"""Stage `embed`: a student whose every exit follows the embedding teachers' vectors, before it sees any pair."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from decant.models.encoder import SentenceEncoder
from decant.models.reference import model_digest
from decant.training.fit import discard_checkpoints
from decant.training.optimizer import training_precision
from decant.training.training import Training
from pipeline.fingerprint import stated
from pipeline.recipe.recipe_prompts import prompt_inputs, student_prompts
from pipeline.recipe.sections import StaticStudent
from pipeline.stages.estimate import Estimate
from pipeline.stages.sharing import said_maps
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.stages.table import turned
from students.cuts.start import shrink
from students.cuts.vocabulary import listed_texts
from students.distill.distill_vectors import distill_vectors
from students.nesting.nested import all_dims, teacher_agreement
from students.pair_student import Student
from students.static.start_table import begin_learning

VERSION = 1
SHAPE = {"nesting", "dims", "pooling", "max_length", "layers", "ffn_width", "exit_layers", "sharing", "vocabulary"}
OF_OTHER_STAGES = ("teachers", "sentences", "augment", "mine", "held_back", "encode_precision")


def make_embedded(run: Run, made: Made) -> Done:
    """The folder of a student that has learned the vectors.

    An epoch is judged by the agreement with the teachers over every exit, or of the whole where no other is trained.
    """
    recipe, settings, vector_targets = run.recipe, run.recipe.embedding, made.vector_targets
    assert settings is not None
    assert vector_targets is not None
    student = recipe.student
    source = made.table.folder if made.table is not None else run.model(student.model)
    listed, prompts = listed_texts(student.vocabulary, run.base), student_prompts(recipe, run.base)
    inputs = {
        "settings": stated(settings, leave_out=OF_OTHER_STAGES),
        "model": model_digest(source) if made.table is None else made.table.fingerprint,
        "vectors": vector_targets.stage.fingerprint, "weights": vector_targets.weights, "seed": recipe.seed,
        "student": stated(student, leave_out=("vocabulary.keep_from",), only=SHAPE), "listed": listed,
        "prompts": prompt_inputs(recipe, prompts),
        "precision": training_precision(settings),
    }  # fmt: skip

    def write(folder: Path) -> None:
        encoder = SentenceEncoder.load(
            source, student.max_length, student.pooling, dropout=settings.dropout, for_training=True
        ).for_cosine(prompts)
        read = vector_targets.read_by(prompts, vector_targets.texts)
        encoder = shrink(
            encoder, student.layers, student.ffn_width, read, recipe.seed, student.vocabulary, listed,
            student.sharing,
        )  # fmt: skip
        encoder.add_exit_layers(student.exit_layers)
        if isinstance(student, StaticStudent):
            begin_learning(encoder, student.words)
        teacher = vector_targets.vectors(vector_targets.held_back).take(np.arange(len(vector_targets.held_back)))
        dims = all_dims(encoder.width, student.dims)
        live = SentenceEncoder.load(vector_targets.teachers[0][0]) if settings.states is not None else None

        def dev() -> float:
            found = teacher_agreement(encoder, vector_targets.read_by(prompts, vector_targets.held_back), teacher, dims)
            if student.nesting is None:
                return found[encoder.layers, encoder.width]  # no other exit is trained
            return float(np.mean(list(found.values())))

        training = Training(folder / "training", settings, recipe.seed, recipe.trainer, run.watch)
        taught = vector_targets.vectors(vector_targets.texts)
        if made.table is not None:
            taught = turned(made.table, taught)
        distill_vectors(encoder, read, taught, dev, training, student.the_nesting, student.dims, live=live)
        Student(encoder).save(folder)
        discard_checkpoints(folder / "training")

    made.embedded = run.make("embed", VERSION, inputs, write)
    named = student.model if made.table is None else "the table"
    return Done(made.embedded, f"{named}, {settings.epochs} epochs{said_maps(made.embedded)}")


def _told(estimate: Estimate) -> str:
    embedding = estimate.recipe.embedding
    return f"{estimate.recipe.student.model}, {embedding.epochs} epochs" if embedding is not None else ""


EMBED = Stage(
    "embed", VERSION, make_embedded, reads=("vectors", "table"), wanted=lambda recipe: recipe.embedding is not None,
    seconds=lambda estimate: estimate.embedding_seconds[1], told=_told,
)  # fmt: skip
