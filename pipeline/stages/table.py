"""Stage `table`: a static student before its training, each token alone through the embedding teachers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decant.errors import InputError
from decant.models.backbone import load_tokenizer
from decant.models.encoder import SentenceEncoder
from decant.models.reference import model_digest
from pipeline.fingerprint import stated
from pipeline.recipe.recipe_prompts import prompt_inputs, student_prompts
from pipeline.recipe.sections import StaticStudent
from pipeline.run_dir import Finished
from pipeline.stages.estimate import Estimate
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.stages.vectors import VectorTargets, text_encoder
from students.static.axes import TurnedVectors, principal_axes
from students.static.start_table import start_table
from students.static.static_tokenizer import static_tokenizer_of, word_pieces
from teachers.labels.vector_store import Vectors

VERSION = 1
AXES = "axes.npy"
OF_THE_TABLE = ("dim", "words", "min_count", "smoothing", "max_length")
Floats = NDArray[np.float32]


def make_table(run: Run, made: Made) -> Done:
    """The folder of a static student that has learned nothing yet.

    Where it is to have shorter vectors, or is narrower than its teachers, their space is turned along its principal
    axes, so that the first numbers of a vector tell most.
    """
    student, targets = run.recipe.student, made.vector_targets
    assert isinstance(student, StaticStudent)
    assert targets is not None
    source, prompts = run.model(student.model), student_prompts(run.recipe, run.base)
    width = targets.vectors(targets.held_back).dim
    if student.dim is not None and student.dim > width:
        raise InputError(f"student.dim: {student.dim} is above the {width} numbers of the teachers' vectors")
    dim = student.dim or width
    turned = dim < width or bool(student.dims)
    inputs = {
        "model": model_digest(source), "vectors": targets.stage.fingerprint, "weights": targets.weights,
        "settings": stated(student, only=OF_THE_TABLE), "turned": turned, "seed": run.recipe.seed,
        "prompts": prompt_inputs(run.recipe, prompts),
    }  # fmt: skip

    def write(folder: Path) -> None:
        texts = targets.texts
        tokenizer = static_tokenizer_of(
            load_tokenizer(source), texts, student.words, student.min_count, student.max_length or 512
        )
        axes = principal_axes(targets.vectors(texts), run.recipe.seed) if turned else None
        if axes is not None:
            np.save(folder / AXES, axes)

        def encode(spelled: Sequence[str]) -> Floats:
            return _vectors_of(run, targets, spelled, folder)

        basis = axes[:, :dim] if axes is not None else None
        pieces = word_pieces(tokenizer, student.words)
        made_of = start_table(tokenizer, encode, texts, student.smoothing, basis, pieces)
        made_of.for_cosine(prompts).save(folder)

    made.table = run.make("table", VERSION, inputs, write)
    rows = len(SentenceEncoder.load(made.table.folder).tokenizer)
    return Done(made.table, f"{rows:,} tokens of {dim} numbers")


def axes_of(table: Finished) -> Floats | None:
    """What the teachers' space was turned by, float32 [width, width]; None where it was not."""
    path = table.folder / AXES
    return np.load(path) if path.is_file() else None


def turned(table: Finished, vectors: Vectors) -> Vectors:
    """The teachers' vectors in the space of a static student."""
    axes = axes_of(table)
    return vectors if axes is None else TurnedVectors(vectors, axes)


def _vectors_of(run: Run, targets: VectorTargets, texts: Sequence[str], scratch: Path) -> Floats:
    """The teachers' vectors of texts that the stage before has not seen, side by side as its own are."""
    weights, found = np.array(targets.weights), []
    for (folder, weight), prompts in zip(targets.teachers, targets.prompts, strict=True):
        encode = text_encoder(folder, scratch, texts=len(texts), precision=targets.precision, prompts=prompts)
        with run.watch("tokens through the teacher", len(texts)) as advance:
            found.append(encode(texts, advance) * np.float32(np.sqrt(weight / weights.sum())))
    return np.concatenate(found, 1)


def _seconds(estimate: Estimate) -> float:
    return 40.0


TABLE = Stage(
    "table", VERSION, make_table, reads=("vectors",),
    wanted=lambda recipe: isinstance(recipe.student, StaticStudent), seconds=_seconds,
    told=lambda estimate: f"tokens of {estimate.recipe.student.model}",
)  # fmt: skip
