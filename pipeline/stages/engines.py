"""Stage `engines`: TensorRT engines of every cut; what this machine cannot build is said, and stops nothing."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from decant.errors import DecantError, GateError
from export.engines.engine import PRODUCTS, EngineKind
from export.engines.tensorrt import build_engine, builder_version, what_is_missing
from export.graphs.float16 import convert_to_float16
from export.serve.gpu import gpu
from export.serve.session import OnnxEncoder
from pipeline.fingerprint import pairs_digest, stated
from pipeline.measure.speed import evenly_spaced
from pipeline.recipe.recipe import Recipe
from pipeline.report.rows import Engine
from pipeline.stages.graphs import Graph, plain_graph
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.texts.load import Texts

VERSION = 1
ENGINE_SECONDS = 4.0
FACTS, TIMING_CACHE = "engines.json", "timing.cache"
HALF_TEXTS = 64
HALF_MIN_COSINE = 0.999  # of the float16 graph to the float32 one: below, a value overflowed or was rounded to zero


@dataclass(frozen=True)
class Built:
    """The engines, and a line on each that could not be built."""

    engines: tuple[Engine, ...]
    notes: tuple[str, ...]


def make_engines(run: Run, made: Made) -> Done:
    """A folder a cut under `engines/`, with an engine of each kind that the recipe names and this machine can build."""
    recipe, texts, graphs, kinds = run.recipe, made.texts, made.graphs, run.recipe.export.engines
    missing = {kind: what for kind in kinds if (what := what_is_missing(kind)) is not None}
    inputs = {
        "graphs": sorted({graph.fingerprint for graph in graphs}), "missing": missing, "gpu": gpu(),
        "versions": {kind: builder_version(kind) for kind in kinds if kind not in missing},
        "shapes": stated(recipe.export.engine_shapes), "test": pairs_digest(texts.test.pairs),
    }  # fmt: skip
    earlier = run.folder.folder("engines") / TIMING_CACHE

    def write(folder: Path) -> None:
        if earlier.is_file():
            shutil.copyfile(earlier, folder / TIMING_CACHE)
        notes = [f"{kind}: no engine was built; it needs {what}." for kind, what in missing.items()]
        cuts = {(graph.layers, graph.dim): graph for graph in graphs}
        engines: list[Engine] = []
        with run.watch("engines", len(cuts) * (len(kinds) - len(missing))) as advance:
            for graph in cuts.values():
                for kind in kinds:
                    if kind in missing:
                        continue
                    try:
                        engines.append(_one(recipe, texts, graph, kind, folder))
                    except DecantError as error:
                        notes.append(f"L{graph.layers}xD{graph.dim}, {kind}: no engine was built. {error}.")
                    advance(1)
        content = {"engines": [one.model_dump(mode="json") for one in engines], "notes": notes}
        (folder / FACTS).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    stage = run.make("engines", VERSION, inputs, write)
    content = json.loads((stage.folder / FACTS).read_text(encoding="utf-8"))
    built = Built(tuple(Engine.model_validate(one) for one in content["engines"]), tuple(content["notes"]))
    made.engines_done, made.built = stage, built
    return Done(stage, describe_engines(built))


def describe_engines(built: Built) -> str:
    """How many were built and how far they were checked, then a line on each that was not."""
    states = [engine.state for engine in built.engines]
    counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    return "\n".join([", ".join(counts) or "none built", *built.notes])


def _one(recipe: Recipe, texts: Texts, graph: Graph, kind: EngineKind, folder: Path) -> Engine:
    name, product = f"L{graph.layers}xD{graph.dim}", PRODUCTS[kind]
    source = plain_graph(graph.folder.parent, graph.layers, graph.dim)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        cosine = None
        if product.precision == "fp16":
            half = Path(scratch) / "half.onnx"
            convert_to_float16(source, half)
            cosine = _half_cosine(graph, source, half, texts)
            source = half
        facts = build_engine(
            source, folder / name, kind, OnnxEncoder(graph.folder).max_length, recipe.export.engine_shapes,
            folder / TIMING_CACHE if product.needs_gpu else None,
        )  # fmt: skip
    return Engine(name=name, path=f"engines/{name}/{facts.file}", graph_cosine=cosine, facts=facts)


def _half_cosine(graph: Graph, whole: Path, half: Path, texts: Texts) -> float:
    """Lowest cosine of the float16 graph to the float32 one on some test texts, both in onnxruntime on the CPU.

    Raises:
        GateError: it is below HALF_MIN_COSINE.
    """
    distinct = list(dict.fromkeys(text for pair in texts.test.pairs for text in pair))
    some = evenly_spaced(distinct, HALF_TEXTS)
    vectors = [OnnxEncoder(graph.folder, graph=str(path.resolve())).encode(some) for path in (whole, half)]
    lowest = float(np.nan_to_num((vectors[0] * vectors[1]).sum(axis=1), nan=-1.0).min())
    if lowest < HALF_MIN_COSINE:
        raise GateError(
            f"its float16 graph has cosine {lowest:.6f} to the float32 one, below {HALF_MIN_COSINE}; "
            "name tensorrt-rtx in export.engines, whose engine is of float32"
        )
    return lowest


ENGINES = Stage(
    "engines", VERSION, make_engines, reads=("texts", "graphs"),
    wanted=lambda recipe: bool(recipe.export.engines),
    seconds=lambda estimate: ENGINE_SECONDS * len(estimate.recipe.export.engines) * estimate.cuts,
    told=lambda estimate: ", ".join(estimate.recipe.export.engines),
)  # fmt: skip
