"""Stage `graphs`: the student as ONNX in each precision, checked against PyTorch by the parity gates."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decant.errors import GateError, InputError
from decant.models.check_embedder import encoder_size
from decant.models.encoder import SentenceEncoder
from decant.models.folder_files import SETTINGS as PROMPTS
from export.artifact.bundle import COMPARATOR, GRAPH
from export.artifact.static_artifact import write_table
from export.graphs.graph_file import load_graph
from export.graphs.parity import (
    Parity,
    ParitySettings,
    Precision,
    check_comparator_parity,
    check_parity,
    required_cosines,
)
from export.graphs.probe_texts import texts_of_every_length
from export.graphs.small_vectors import add_small_vectors, int8_step
from export.graphs.to_onnx import export_comparator, export_encoder
from export.quantize.calibration import Feed, calibration_batches, sentence_vectors
from export.serve.session import OnnxComparator, OnnxEncoder
from export.serve.static_session import StaticSession
from pipeline.fingerprint import stated
from pipeline.measure.size import parameter_count
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.recipe_prompts import pairs_for
from pipeline.stages.estimate_graphs import graph_seconds
from pipeline.stages.graph_precisions import write_precision, write_static_graph
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.stages.targets import training_pairs
from pipeline.stages.tuned_weights import tuned_graph
from pipeline.texts.load import Texts
from students.cuts.cut import cut
from students.distill.comparator import Comparator
from students.pair_student import Student

VERSION = 4
# settings of the export that no graph depends on
OF_OTHER_STAGES = ("engines", "engine_shapes", "openvino", "openvino_int8", "torch")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json", PROMPTS)


@dataclass(frozen=True)
class Graph:
    """One exported precision: a folder that `OnnxEncoder` opens, and what its gates measured."""

    name: str
    folder: Path
    fingerprint: str
    precision: Precision
    layers: int
    dim: int
    parameters: int
    parity: dict[str, float]
    sensitivity: list[dict[str, object]]
    """Fields of `export.quantize.sensitivity.Sensitivity`, the costliest group first; empty where none was measured."""
    quantize_aware: dict[str, float]
    """Mean cosine of held-back texts to the float32 vectors, `cosine_before` and `cosine_after`; empty without it."""


def make_graphs(run: Run, made: Made) -> Done:
    """A folder a precision under `graphs/`, and a line on each quantized graph that misses its gate and is left out.

    Raises:
        GateError: a float32 graph, which the others are made from, misses its gate, or every graph does.
        InputError: a graph cannot be quantized as the recipe says.
    """
    recipe, student, settings = run.recipe, made.student, run.recipe.export
    inputs = {
        "student": student.fingerprint, "settings": stated(settings, leave_out=OF_OTHER_STAGES),
        "seed": recipe.seed if settings.quantize_aware is not None else None,
        "most": _within_budget(recipe, student.folder),
    }  # fmt: skip

    def write(folder: Path) -> None:
        model = Student.load(student.folder)
        probes = parity_texts(recipe, made.texts, model)
        learned = learned_texts(recipe, made, model.encoder)
        calibration = calibration_feeds(recipe, learned, model)
        cuts = chosen_cuts(recipe, model)
        tuned = _tuned(run, learned, model, cuts, folder)
        facts: list[dict[str, object]] = []
        left_out: list[str] = []
        with run.watch("export and parity", len(cuts) * len(probes) * (1 + len(settings.precisions))) as advance:
            for layers, dim in cuts:
                whole = (layers, dim) == (model.encoder.layers, model.encoder.dim)
                smaller = Student(cut(model.encoder, layers, dim), model.comparator if whole else None)
                plain = plain_graph(folder, layers, dim)
                reference = smaller.encoder.encode(probes, progress=advance)
                np.save(reference_of(plain), reference)
                if smaller.encoder.static is None:
                    export_encoder(smaller.encoder, plain)
                else:
                    write_static_graph(smaller.encoder, "fp32", plain)
                step = _step(plain, calibration, reference) if settings.vectors else None
                exported = _Exported(smaller, student.folder, probes, reference, calibration, step)
                for precision in settings.precisions:
                    graph, gain = tuned.get((layers, dim, precision), (plain, {}))
                    try:
                        fact = _one(recipe, exported, graph, precision, advance)
                        facts.append(fact | {"quantize_aware": gain})
                    except GateError as error:
                        if precision == "fp32":
                            raise
                        left_out.append(f"L{layers}xD{dim}-{precision}: {error}")
                        shutil.rmtree(folder / f"L{layers}xD{dim}-{precision}")
        if not facts:
            raise GateError("; ".join(left_out))
        content = {"made": facts, "left_out": left_out}
        (folder / "graphs.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    stage = run.make("graphs", VERSION, inputs, write)
    content = json.loads((stage.folder / "graphs.json").read_text(encoding="utf-8"))
    facts = content["made"]
    made.graphs = [Graph(folder=stage.folder / one["name"], fingerprint=stage.fingerprint, **one) for one in facts]
    made.left_out = content["left_out"]
    said = [", ".join(graph.name for graph in made.graphs), *(f"left out: {one}" for one in made.left_out)]
    return Done(stage, "\n".join(said))


def _tuned(
    run: Run, learned: list[str], model: Student, cuts: list[tuple[int, int]], folder: Path
) -> dict[tuple[int, int, Precision], tuple[Path, dict[str, float]]]:
    """(layers, dim, precision) that gets weights of its own → their float32 graph, and what they are worth."""
    recipe, aware = run.recipe, run.recipe.export.quantize_aware
    if aware is None:
        return {}
    wanted = [one for one in recipe.export.precisions if one in aware.precisions]
    return {
        (layers, dim, precision): tuned_graph(
            cut(model.encoder, layers, dim), precision, learned, recipe.export, aware, folder, recipe.seed, run.watch
        )
        for layers, dim in cuts
        for precision in wanted
    }


def plain_graph(folder: Path, layers: int, dim: int) -> Path:
    """Where the stage's folder holds a cut's float32 graph as exported, which every precision is made from."""
    return folder / f"L{layers}xD{dim}.onnx"


def reference_of(plain: Path) -> Path:
    """Torch's vectors of the parity texts, float32 [texts, dim], beside a cut's float32 graph."""
    return plain.with_suffix(".npy")


def chosen_cuts(recipe: Recipe, student: Student) -> list[tuple[int, int]]:
    """The (layers, dim) that are exported, deepest first: as the recipe says, or each depth of a nested student.

    Where a budget limits the vector's length, each depth is also exported at the greatest trained length within it.

    Raises:
        InputError: the recipe asks for a cut that the student does not have.
    """
    layers, dim = student.encoder.layers, student.encoder.dim
    wrong = [one for one in recipe.export.cuts if one[0] not in student.encoder.depths or one[1] > dim]
    if wrong:
        raise InputError(f"export.cuts: {list(wrong[0])} is beyond the student's {layers} layers and {dim} dimensions")
    if recipe.export.cuts:
        return sorted(set(recipe.export.cuts), reverse=True)
    if recipe.student.nesting is None:
        return [(layers, dim)]
    dims = {dim, budget_dim(recipe, dim) or dim}
    return sorted(((depth, one) for depth in student.encoder.depths for one in dims), reverse=True)


def _within_budget(recipe: Recipe, student: Path) -> int | None:
    asks = recipe.budget is not None and recipe.budget.dim is not None
    return budget_dim(recipe, encoder_size(student, recipe.student.pooling)[1]) if asks else None


def budget_dim(recipe: Recipe, dim: int) -> int | None:
    """The shorter vector length that a budget has exported beside the student's own; None where it asks for none.

    Args:
        dim: of the student.
    """
    most = recipe.budget.dim if recipe.budget is not None else None
    if most is None or most >= dim or recipe.export.cuts or recipe.student.nesting is None:
        return None
    return max((one for one in recipe.student.dims if one <= most), default=None)


@dataclass(frozen=True)
class _Exported:
    """A cut whose float32 graph stands, and what its precisions are made and checked with.

    Args:
        source: folder of the student that it was cut from.
        reference: PyTorch's vectors of the probes, float32 [texts, dim].
        step: of int8 vectors, where the recipe asks for any.
    """

    model: Student
    source: Path
    probes: list[str]
    reference: NDArray[np.float32]
    calibration: list[Feed]
    step: float | None


def _one(
    recipe: Recipe, exported: _Exported, plain: Path, precision: Precision, advance: Callable[[int], None]
) -> dict[str, object]:
    model, reference = exported.model, exported.reference
    encoder = model.encoder
    name = f"L{encoder.layers}xD{encoder.dim}-{precision}"
    target = plain.with_name(name)
    (target / "onnx").mkdir(parents=True, exist_ok=True)
    if encoder.static is not None:
        write_table(target, encoder.table(), precision)
        write_static_graph(encoder, precision, target / GRAPH)
        sensitivity = []
    else:
        for file in TOKENIZER_FILES:
            if (exported.source / file).is_file():  # a pooling of our own has no file of prompts
                (target / file).write_bytes((exported.source / file).read_bytes())
        sensitivity = write_precision(precision, plain, target / GRAPH, recipe.export, exported.calibration)
    if recipe.export.vectors:
        add_small_vectors(target / GRAPH, recipe.export.vectors, exported.step)
    served = OnnxEncoder(target)
    parity = check_parity(served, exported.probes, reference, precision, recipe.export.parity, advance)
    if encoder.static is not None:
        own = check_parity(StaticSession(target), exported.probes, reference, precision, recipe.export.parity)
        parity = min(parity, own, key=lambda one: one.min_cosine)
    if model.comparator is not None:
        _comparator(model, model.comparator, target, reference, recipe)
    return {
        "name": name, "precision": precision, "layers": encoder.layers, "dim": encoder.dim,
        "parameters": parameter_count(model), "parity": parity_figures(parity, recipe.export.parity, precision),
        "sensitivity": [asdict(one) for one in sensitivity],
    }  # fmt: skip


def parity_texts(recipe: Recipe, texts: Texts, model: Student) -> list[str]:
    """What exported graphs are compared with torch on: texts of every length, made of those of the test pairs."""
    encoder = model.encoder
    given = [text for pair in texts.test.pairs for text in pair]
    return texts_of_every_length(given, encoder.tokenize, encoder.max_length, recipe.export.parity.texts)


def _step(plain: Path, calibration: list[Feed], reference: NDArray[np.float32]) -> float:
    """The int8 vectors' step of a cut, one for all its precisions; of the reference where no text was learned from."""
    return int8_step(sentence_vectors(load_graph(plain), calibration) if calibration else reference)


def calibration_feeds(recipe: Recipe, every: list[str], model: Student) -> list[Feed]:
    """Texts that the student learned from, spread evenly over all of them, as a graph takes them."""
    count = min(recipe.export.calibration.texts, len(every))
    chosen = [every[index * len(every) // count] for index in range(count)]
    encoder = model.encoder
    return calibration_batches(encoder.tokenize(chosen), int(encoder.tokenizer.pad_token_id))


def learned_texts(recipe: Recipe, made: Made, encoder: SentenceEncoder) -> list[str]:
    """The distinct texts that the student learned from, as the encoder reads them."""
    pairs, vector_targets = pairs_for(recipe, encoder.prompts, training_pairs(made.texts)), made.vector_targets
    taught = vector_targets.read_by(encoder.prompts, vector_targets.texts) if vector_targets is not None else ()
    return list(dict.fromkeys([*(text for pair in pairs for text in pair), *taught]))


def _comparator(
    model: Student, comparator: Comparator, target: Path, vectors: NDArray[np.float32], recipe: Recipe
) -> None:
    export_comparator(comparator, target / COMPARATOR)
    u, v = vectors, np.roll(vectors, 1, axis=0)
    check_comparator_parity(OnnxComparator(target / COMPARATOR), u, v, model.compare(u, v), recipe.export.parity)


def parity_figures(parity: Parity, settings: ParitySettings, precision: Precision) -> dict[str, float]:
    """What was measured, and the gates that it passed, as a report's row has them."""
    measured = asdict(parity)
    invariance = min(measured["batch_invariance"], measured["padding_invariance"])
    figures = {"min_cosine": measured["min_cosine"], "batch_invariance": invariance}
    limits = required_cosines(precision, settings)
    return figures | {
        name: limit
        for name, limit in zip(("required_min_cosine", "required_batch_invariance"), limits, strict=True)
        if limit is not None
    }


GRAPHS = Stage(
    "graphs", VERSION, make_graphs, reads=("texts", "vectors", "candidates", "mine", "student"),
    seconds=graph_seconds,
    told=lambda estimate: f"{estimate.artifacts} artifacts, {', '.join(estimate.recipe.export.precisions)}",
)  # fmt: skip
