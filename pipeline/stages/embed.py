"""Stage `embed`: a student whose every exit follows the embedding teachers' vectors, before it sees any pair."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from decant.models.encoder import SentenceEncoder
from decant.models.reference import model_digest, resolve_model
from decant.progress import Watch
from decant.training.fit import discard_checkpoints
from decant.training.optimizer import training_precision
from decant.training.training import Training
from pipeline.recipe.recipe import EmbeddingSettings, Recipe
from pipeline.recipe.recipe_prompts import prompt_inputs, student_prompts
from pipeline.run_dir import RunDir, Stage, fingerprint
from pipeline.stages.pruned_vocabulary import vocabulary_inputs
from pipeline.stages.sharing import sharing_inputs
from pipeline.stages.vectors import VectorTargets
from students.cuts.start import shrink
from students.cuts.vocabulary import listed_texts
from students.distill.distill_vectors import distill_vectors
from students.nesting.nested import all_dims, teacher_agreement
from students.pair_student import Student

VERSION = 1
SHAPE = {"nesting", "dims", "pooling", "max_length", "layers", "ffn_width", "exit_layers"}


def embed_stage(
    recipe: Recipe,
    settings: EmbeddingSettings,
    base: Path,
    vector_targets: VectorTargets,
    run_dir: RunDir,
    watch: Watch,
) -> Stage:
    """The folder of a student that has learned the vectors.

    An epoch is judged by the agreement with the teachers over every exit, or of the whole where no other is trained.
    """
    student = recipe.student
    source = resolve_model(student.model, base)
    elsewhere = {"teachers", "sentences", "augment", "mine", "held_back", "encode_precision"}
    # without what is None, so that a setting that a recipe does not use leaves the fingerprint as it was
    how = settings.model_dump(mode="json", exclude=elsewhere, exclude_none=True)
    listed, prompts = listed_texts(student.vocabulary, base), student_prompts(recipe, base)
    inputs: dict[str, object] = {
        "settings": how, "model": model_digest(source), "vectors": vector_targets.stage.fingerprint,
        "weights": [weight for _, weight in vector_targets.teachers], "seed": recipe.seed,
        "student": student.model_dump(mode="json", include=SHAPE),
        "precision": training_precision(settings), **vocabulary_inputs(student.vocabulary, listed),
        **sharing_inputs(student.sharing), **({"judged": "whole"} if student.nesting is None else {}),
        **prompt_inputs(recipe, prompts),
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
        teacher = vector_targets.vectors(vector_targets.held_back).take(np.arange(len(vector_targets.held_back)))
        dims = all_dims(encoder.width, student.dims)
        live = SentenceEncoder.load(vector_targets.teachers[0][0]) if settings.states is not None else None

        def dev() -> float:
            found = teacher_agreement(encoder, vector_targets.read_by(prompts, vector_targets.held_back), teacher, dims)
            if student.nesting is None:
                return found[encoder.layers, encoder.width]  # no other exit is trained
            return float(np.mean(list(found.values())))

        training = Training(folder / "training", settings, recipe.seed, recipe.trainer, watch)
        taught = vector_targets.vectors(vector_targets.texts)
        distill_vectors(encoder, read, taught, dev, training, student.the_nesting, student.dims, live=live)
        Student(encoder).save(folder)
        discard_checkpoints(folder / "training")

    return run_dir.make("embed", fingerprint("embed", VERSION, inputs), write)
