"""Encoders, comparators and cross-encoders as ONNX graphs.

The TorchScript exporter is used, with eager attention, rather than the dynamo one: it takes a tenth of the
time, and `onnxruntime.transformers` can fuse the attention of its graphs, but none of a dynamo graph. Both
give the same vectors for every backbone family that the tests name.
"""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import onnx
import torch
from optimum.exporters.tasks import TasksManager
from optimum.utils import DummyTextInputGenerator
from optimum.utils.normalized_config import NormalizedConfigManager, NormalizedTextConfig
from torch import Tensor, nn
from transformers import PreTrainedModel

from decant.errors import InputError
from decant.files import written_whole
from decant.models.encoder import SentenceEncoder
from export.graphs.attention_masks import traceable_masks
from export.serve.without_log import without_log
from students.distill.comparator import Comparator
from teachers.cross_encoders.cross_encoder import CrossEncoder

Edges = dict[str, list[str | int]]  # name of an input or output → its shape; a word is a size that may vary

OPSET = 17  # the first with LayerNormalization; from 18 on onnxruntime.transformers fuses no attention
LARGEST_BYTES = 2**31 - 1  # of a protobuf message: beyond it, weights would have to lie in a second file


def export_encoder(encoder: SentenceEncoder, path: Path, opset: int = OPSET) -> None:
    """Write an encoder's graph as one file.

    Inputs: int64 `input_ids`, `attention_mask` [batch, length]. Outputs: float32 `last_hidden_state`
    [batch, length, dim] and `sentence_embedding` [batch, dim] of unit length. Where more than one pooling makes the
    vector, the states are the backbone's own, [batch, length, hidden]. The graph's metadata say
    `layers`, `heads` and `hidden_size` (what a fusing optimizer asks for), `dim`, `pooling` and `max_length`.

    Args:
        encoder: on any device; not changed.
        path: written whole or not at all; its folder is made.
        opset: 14..20.

    Raises:
        InputError: the backbone cannot be exported, or is too large for one file.
    """
    sizes = _declared_sizes(encoder.backbone)
    copied = copy.deepcopy(encoder).to(device="cpu", dtype=torch.float32).eval()
    copied.backbone.set_attn_implementation("eager")
    copied.masks = traceable_masks(copied.backbone.config)
    inputs: Edges = {"input_ids": ["batch", "length"], "attention_mask": ["batch", "length"]}
    states = encoder.dim if encoder.pools_last else encoder.hidden_size
    outputs: Edges = {"last_hidden_state": ["batch", "length", states]}
    outputs["sentence_embedding"] = ["batch", encoder.dim]
    metadata = {
        "layers": encoder.layers,
        "heads": sizes.num_attention_heads,
        "hidden_size": sizes.hidden_size,
        "dim": encoder.dim,
        "pooling": encoder.pooling,
        "max_length": encoder.max_length,
    }
    _export(copied, _dummy_inputs(sizes, encoder.max_length, inputs), inputs, outputs, path, opset, metadata)


def export_comparator(comparator: Comparator, path: Path, opset: int = OPSET) -> None:
    """Write a comparator's graph: float32 `u`, `v` [batch, dim] → float32 `logits` [batch, outputs].

    Raises:
        InputError: it cannot be exported.
    """
    copied = copy.deepcopy(comparator).to(device="cpu", dtype=torch.float32).eval()
    pair = (torch.ones(3, comparator.dim), torch.zeros(3, comparator.dim))
    inputs: Edges = {"u": ["batch", comparator.dim], "v": ["batch", comparator.dim]}
    outputs: Edges = {"logits": ["batch", comparator.outputs]}
    _export(copied, pair, inputs, outputs, path, opset, {"dim": comparator.dim, "outputs": comparator.outputs})


def export_cross_encoder(cross: CrossEncoder, path: Path, opset: int = OPSET) -> None:
    """Write a cross-encoder's graph: int64 inputs as its tokenizer gives them → float32 `logits` [batch, outputs].

    Raises:
        InputError: it cannot be exported.
    """
    sizes = _declared_sizes(cross.model)
    copied = copy.deepcopy(cross).to(device="cpu", dtype=torch.float32).eval()
    copied.model.set_attn_implementation("eager")
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if cross.uses_types else [])]
    inputs: Edges = {name: ["batch", "length"] for name in names}
    outputs: Edges = {"logits": ["batch", cross.outputs]}
    arguments = _dummy_inputs(sizes, cross.max_length, inputs)
    _export(copied, arguments, inputs, outputs, path, opset, {"outputs": cross.outputs, "max_length": cross.max_length})


def _declared_sizes(backbone: PreTrainedModel) -> NormalizedTextConfig:
    """Layers, heads, hidden size and vocabulary under one name each, whatever the family calls them.

    Raises:
        InputError: optimum does not know it as a transformers text model, or it does not state its sizes.
    """
    config = backbone.config
    if TasksManager.infer_library_from_model(backbone) != "transformers":
        raise InputError(f"a {config.model_type!r} backbone is no transformers model, so it cannot be exported")
    try:
        kind = NormalizedConfigManager.get_normalized_config_class(config.model_type)
    except KeyError:
        kind = NormalizedTextConfig
    sizes: NormalizedTextConfig = kind(config)
    try:
        sizes.num_layers, sizes.num_attention_heads, sizes.hidden_size, sizes.vocab_size  # noqa: B018
    except AttributeError as error:
        raise InputError(f"a {config.model_type!r} backbone does not state its sizes ({error})") from error
    return sizes


def _dummy_inputs(sizes: NormalizedTextConfig, max_length: int, names: Iterable[str]) -> tuple[Tensor, ...]:
    """Random ids and a padded mask, int64 [3, ≤ 16]: a trace would take a size of 1 for a constant."""
    generator = DummyTextInputGenerator(
        "feature-extraction", sizes, batch_size=3, sequence_length=min(16, max_length), padding_side="right"
    )
    with torch.random.fork_rng(devices=[]):
        return tuple(generator.generate(name, framework="pt", int_dtype="int64") for name in names)


def _export(
    module: nn.Module,
    arguments: tuple[Tensor, ...],
    inputs: Edges,
    outputs: Edges,
    path: Path,
    opset: int,
    metadata: Mapping[str, object],
) -> None:
    weight_bytes = sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
    if weight_bytes > LARGEST_BYTES:
        raise InputError(f"{path.name}: {weight_bytes / 2**30:.1f} GiB of weights; one ONNX file holds at most 2")
    edges = inputs | outputs
    varying = {
        name: {axis: size for axis, size in enumerate(shape) if isinstance(size, str)} for name, shape in edges.items()
    }
    with written_whole(path) as written:
        try:
            with _silence(), torch.inference_mode():
                torch.onnx.export(
                    module, arguments, str(written), input_names=list(inputs), output_names=list(outputs),
                    dynamic_axes=varying, opset_version=opset, dynamo=False,
                )  # fmt: skip
            model = onnx.load(written)
            onnx.helper.set_model_props(model, {key: str(value) for key, value in metadata.items()})
            _state_shapes(model, edges)
            onnx.checker.check_model(model, full_check=True)
        except Exception as error:  # the exporter raises whatever the traced code raises
            reason = (str(error).strip().splitlines() or [""])[0][:200]
            name = type(getattr(module, "backbone", module)).__name__
            raise InputError(f"{name} cannot be exported to ONNX ({type(error).__name__}: {reason})") from error
        onnx.save(model, written)


def _state_shapes(model: onnx.ModelProto, edges: Edges) -> None:
    """Write the shapes of inputs and outputs into the graph, where the exporter leaves some of them open.

    Raises:
        ValueError: the graph has other edges, or stores weights that nothing reads.
    """
    found = [*model.graph.input, *model.graph.output]
    if [edge.name for edge in found] != list(edges):
        raise ValueError(f"the graph has the edges {[edge.name for edge in found]}, not {list(edges)}")
    for edge in found:
        for dimension, size in zip(edge.type.tensor_type.shape.dim, edges[edge.name], strict=True):
            if isinstance(size, int):
                dimension.dim_value = size
            else:
                dimension.dim_param = size
    used = {name for node in model.graph.node for name in node.input}
    unused = [weight.name for weight in model.graph.initializer if weight.name not in used]
    if unused:
        raise ValueError(f"{len(unused)} stored weights are read by no node, such as {unused[0]!r}")


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """No warnings, prints or log of the exporter: what matters of them is checked on the graph."""
    with (
        without_log(),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
