"""One folder layout a runtime, since their rules collide: which files, under which names, with which changes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from decant.files import read_object, write_json
from decant.models.folder_files import (
    CONFIG,
    POOLING_FOLDER,
    READING,
    SETTINGS,
    SPECIAL_TOKENS,
    TOKENIZER,
    TOKENIZER_CONFIG,
    WEIGHTS,
)
from decant.models.shared_config import family_config
from export.artifact.bundle import COMPARATOR, GRAPH, SENTENCE_TRANSFORMERS
from export.deploy.rules import graph_edges, hold
from export.deploy.target import Model, Target
from export.deploy.tei import tei_rules, with_sizes
from export.deploy.triton import model_config, triton_rules
from export.graphs.parity import BATCH_INVARIANT

Convert = Callable[[Path, Path], None]  # an ONNX graph, and the .xml to write
PARTS = re.compile(r"\d+_(?!Pooling|Normalize)\w+/")  # what follows the pooling, of sentence-transformers
TOKENIZER_FILES = [TOKENIZER, TOKENIZER_CONFIG]
CONFIGURED = [CONFIG, SPECIAL_TOKENS, *TOKENIZER_FILES]
QUANTIZED = "onnx/model_quantized.onnx"  # where transformers.js finds dtype q8
ENCODER, HEAD = "encoder", "comparator"  # a server's names for the two graphs


def write_layout(model: Model, target: Target, out: Path, convert: Convert) -> None:
    """Write a runtime's files, its README and Dockerfile apart.

    Args:
        model: a verified artifact that the runtime can serve.
        target: the runtime.
        out: an empty folder.
        convert: OpenVINO's converter.

    Raises:
        GateError: a rule of the runtime does not hold of the folder.
        InputError: the graph cannot be converted.
    """
    if target == "openvino":
        _openvino(model, out, convert)
    else:
        LAYOUTS[target](model, out)


def _onnxruntime(model: Model, out: Path) -> None:
    _copy(model, out, [*TOKENIZER_FILES, GRAPH, *([COMPARATOR] if model.comparator else [])])


def _sentence_transformers(model: Model, out: Path) -> None:
    """Where the graph is quantized it stands alone, so that torch does not take other weights for it.

    It does, too, where layers share attention maps: torch would refuse the weights. Of a static student there is no
    graph: its table is what is read in every precision.
    """
    if model.manifest.static:
        _copy(model, out, [*CONFIGURED, *SENTENCE_TRANSFORMERS, READING, WEIGHTS])
        return
    parts = [path for path in model.manifest.sha256 if PARTS.match(path)]
    weights = [WEIGHTS] if model.manifest.precision == "fp32" and not model.shared else []
    _copy(model, out, [*CONFIGURED, *SENTENCE_TRANSFORMERS, READING, *parts, *weights])
    states = next(edge for edge in graph_edges(model.folder / GRAPH)[1] if edge.name == "last_hidden_state")
    if states.shape[-1] < model.width:  # both backends read the cut, so the graph's states must be as wide as torch's
        from export.deploy.graph import widen_states  # loads onnx, as below; a graph that is only copied needs none

        _make_parent(out / GRAPH)
        widen_states(model.folder / GRAPH, out / GRAPH, model.width)
    else:
        _copy(model, out, [GRAPH])


def _tei(model: Model, out: Path) -> None:
    """No safetensors: with them the server would fall back from a graph that fails to weights without its cut."""
    _copy(model, out, [*CONFIGURED, READING, f"{POOLING_FOLDER}/{CONFIG}", SETTINGS, GRAPH])
    write_json(out / CONFIG, with_sizes(read_object(out / CONFIG)), sort_keys=True)
    hold("text-embeddings-inference", tei_rules(out, model.manifest))


def _fastembed(model: Model, out: Path) -> None:
    """It takes the graph's first output: the states to pool, or the vector itself where it could not pool them so."""
    _copy(model, out, [*CONFIGURED, GRAPH])
    if not model.pools_here:
        from export.deploy.graph import vector_alone

        vector_alone(model.folder / GRAPH, out / GRAPH)


def _transformers_js(model: Model, out: Path) -> None:
    """It cuts a long text after adding the special tokens, and so loses the last one, which the graph sets again."""
    _copy(model, out, CONFIGURED)
    fp32 = model.manifest.precision == "fp32"
    graph = out / (GRAPH if fp32 else QUANTIZED)
    _make_parent(graph)
    if model.suffix:
        from export.deploy.graph import end_full_rows

        end_full_rows(model.folder / GRAPH, graph, model.suffix[0], model.manifest.max_length)
    else:
        shutil.copyfile(model.folder / GRAPH, graph)
    chosen = {"transformers.js_config": {"dtype": "fp32" if fp32 else "q8"}}
    write_json(out / CONFIG, read_object(out / CONFIG) | chosen, sort_keys=True)


def _triton(model: Model, out: Path) -> None:
    """Requests are not joined where a text's vector would depend on the others of its batch."""
    batches = model.manifest.precision in BATCH_INVARIANT
    served = {ENCODER: (GRAPH, "sentence_embedding"), HEAD: (COMPARATOR, "logits")}
    for name, (graph, output) in served.items() if model.comparator else [(ENCODER, served[ENCODER])]:
        folder = out / "models" / name
        (folder / "1").mkdir(parents=True)
        shutil.copyfile(model.folder / graph, folder / "1" / "model.onnx")
        inputs, outputs = graph_edges(model.folder / graph)
        config = model_config(name, inputs, [edge for edge in outputs if edge.name == output], batches=batches)
        (folder / "config.pbtxt").write_text(config, encoding="utf-8")
        hold("Triton", triton_rules(folder))
    _copy(model, out, TOKENIZER_FILES)


def _openvino(model: Model, out: Path, convert: Convert) -> None:
    for name, graph in ((ENCODER, GRAPH), *([(HEAD, COMPARATOR)] if model.comparator else [])):
        (out / name / "1").mkdir(parents=True)
        source = model.folder / graph
        if model.manifest.precision != "fp32" and name == ENCODER:
            from export.deploy.graph import spell_out_rows

            source = out / "spelled.onnx"
            spell_out_rows(model.folder / graph, source)
        convert(source, out / name / "1" / "model.xml")
        (out / "spelled.onnx").unlink(missing_ok=True)
    _copy(model, out, TOKENIZER_FILES)


def _copy(model: Model, out: Path, files: list[str]) -> None:
    for path in files:
        _make_parent(out / path)
        shutil.copyfile(model.folder / path, out / path)
    if model.shared and CONFIG in files:
        write_json(out / CONFIG, family_config(read_object(out / CONFIG)), sort_keys=True)


def _make_parent(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)


LAYOUTS: dict[Target, Callable[[Model, Path], None]] = {
    "ort": _onnxruntime, "st": _sentence_transformers, "tei": _tei, "fastembed": _fastembed,
    "transformers.js": _transformers_js, "triton": _triton,
}  # fmt: skip
