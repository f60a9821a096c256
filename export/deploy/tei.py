"""What text-embeddings-inference asks of a folder, after its source (router, core, and the ort backend of 1.9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from decant.files import read_object
from decant.models.folder_files import CONFIG, POOLING_FOLDER, READING, TOKENIZER_CONFIG
from export.artifact.bundle import GRAPH, Manifest
from export.deploy.rules import Rule, graph_edges

FED = {"input_ids", "attention_mask", "token_type_ids", "position_ids"}
OFFSET_POSITIONS = {"roberta", "xlm-roberta", "camembert"}  # their positions begin after the padding token's id
SIZES = {"hidden_size": "dim", "num_hidden_layers": "n_layers"}  # what is read, and DistilBERT's names for it


def with_sizes(config: dict[str, Any]) -> dict[str, Any]:
    """config.json with the sizes under the names that the server reads."""
    return config | {name: config[other] for name, other in SIZES.items() if name not in config and other in config}


def tei_rules(folder: Path, manifest: Manifest) -> list[Rule]:
    """The rules, checked on a folder whose files all stand where the layout puts them."""
    config, pooling = read_object(folder / CONFIG), read_object(folder / POOLING_FOLDER / CONFIG)
    length = read_object(folder / READING).get("max_seq_length")
    inputs, outputs = graph_edges(folder / GRAPH)
    vector = next((edge for edge in outputs if edge.name == "sentence_embedding"), None)
    return [
        Rule("no model.onnx stands beside config.json", not (folder / "model.onnx").exists()),  # taken before onnx/
        Rule(f"the graph has no inputs but {', '.join(sorted(FED))}", {edge.name for edge in inputs} <= FED),
        Rule("the graph has input_ids and attention_mask", {"input_ids", "attention_mask"} <= {e.name for e in inputs}),
        Rule("its inputs are int64 [batch, length]", all((e.type, e.shape) == ("int64", (-1, -1)) for e in inputs)),
        Rule(
            f"the graph gives sentence_embedding, float32 [batch, {manifest.dim}]",
            vector is not None and (vector.type, vector.shape) == ("float32", (-1, manifest.dim)),
        ),
        Rule("1_Pooling/config.json has the pooling as true and false values", _states_pooling(pooling, manifest)),
        Rule("max_seq_length is that of the artifact", length == manifest.max_length),
        Rule("max_seq_length fits the model's positions", isinstance(length, int) and length <= _positions(config)),
        Rule("config.json names hidden_size and num_hidden_layers", set(SIZES) <= set(config)),
        Rule(
            "config.json has a model_type, and architectures that are no classifiers",
            isinstance(config.get("model_type"), str)
            and bool(config.get("architectures"))
            and not any(name.endswith("Classification") for name in config["architectures"]),
        ),
        Rule(
            "texts are padded at the right",
            read_object(folder / TOKENIZER_CONFIG).get("padding_side", "right") == "right",
        ),
    ]  # fmt: skip


def _states_pooling(pooling: dict[str, Any], manifest: Manifest) -> bool:
    stated = (pooling.get("pooling_mode_cls_token"), pooling.get("pooling_mode_mean_tokens"))
    return stated == (manifest.pooling == "cls", manifest.pooling == "mean")


def _positions(config: dict[str, Any]) -> int:
    offset = int(config.get("pad_token_id") or 0) + 1 if config.get("model_type") in OFFSET_POSITIONS else 0
    return int(config.get("max_position_embeddings") or 0) - offset
