"""Stage `checkpoints`: the whole student for torch, its linear layers in 4 or 8 bits, beside the artifacts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from decant.models.quantized import PRECISIONS
from export.graphs.probe_texts import texts_of_every_length
from export.quantize.save_quantized import save_quantized
from pipeline.measure.size import parameter_count, peak_memory_of, size_mib
from pipeline.recipe.recipe import Recipe
from pipeline.stages.measured_models import Candidate, in_torch
from pipeline.stages.stage import Done, Made, Run, Stage
from students.pair_student import Student

VERSION = 1
FACTS = "checkpoints.json"
ENCODE_ONCE = """
import sys
from pathlib import Path
import torch
from students.pair_student import Student
torch.set_num_threads(int(sys.argv[2]))
Student.load(Path(sys.argv[1])).encoder.encode([sys.argv[3]] * 32)
"""


@dataclass(frozen=True)
class Checkpoint:
    """One quantized checkpoint: a folder that `Student.load` reads."""

    name: str
    folder: Path
    fingerprint: str
    precision: str
    layers: int
    dim: int
    parameters: int


def make_checkpoints(run: Run, made: Made) -> Done:
    """A folder a kind of `export.torch` under `checkpoints/`."""
    recipe, texts, student, kinds = run.recipe, made.texts, made.student, run.recipe.export.torch

    def write(folder: Path) -> None:
        model = Student.load(student.folder)
        probes = texts_of_every_length(
            [text for pair in texts.test.pairs for text in pair],
            model.encoder.tokenize, model.encoder.max_length, recipe.export.parity.texts,
        )  # fmt: skip
        facts = []
        with run.watch("checkpoints", len(kinds)) as advance:
            for kind in kinds:
                name = f"L{model.encoder.layers}xD{model.encoder.dim}-{PRECISIONS[kind]}"
                save_quantized(model.encoder, folder / name, kind, probes)
                if model.comparator is not None:
                    model.comparator.save(folder / name)
                facts.append(
                    {
                        "name": name, "precision": PRECISIONS[kind], "layers": model.encoder.layers,
                        "dim": model.encoder.dim,
                        "parameters": parameter_count(model) - parameter_count(model.encoder.exit_layers),
                    }
                )  # fmt: skip
                advance(1)
        (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    stage = run.make("checkpoints", VERSION, {"student": student.fingerprint, "kinds": kinds}, write)
    facts = json.loads((stage.folder / FACTS).read_text(encoding="utf-8"))
    made.checkpoints = [
        Checkpoint(folder=stage.folder / one["name"], fingerprint=stage.fingerprint, **one) for one in facts
    ]
    return Done(stage, ", ".join(one.name for one in made.checkpoints))


def quantized_students(recipe: Recipe, checkpoints: Sequence[Checkpoint], threads: int) -> list[Candidate]:
    """What stage `measure` compares of them; a peak of memory holds torch and transformers themselves."""
    found = []
    for one in checkpoints:
        peak = peak_memory_of(ENCODE_ONCE, [str(one.folder), str(threads), "How do I reset my password?"])
        facts: dict[str, object] = {
            "layers": one.layers, "dim": one.dim, "precision": one.precision, "runtime": "torch",
            "path": f"checkpoints/{one.name}", "parameters": one.parameters, "form": recipe.student.form,
            "size_mib": size_mib(one.folder / "model.safetensors"), "peak_memory_mib": peak,
            "trained_on_labels": recipe.saw_labels(), "note": "the student's linear layers by bitsandbytes",
        }  # fmt: skip
        found.append(in_torch(recipe, one.name, Student.load(one.folder), facts))
    return found


CHECKPOINTS = Stage(
    "checkpoints", VERSION, make_checkpoints, reads=("texts", "student"), seconds=lambda estimate: 10.0,
    wanted=lambda recipe: bool(recipe.export.torch), told=lambda estimate: ", ".join(estimate.recipe.export.torch),
)  # fmt: skip
