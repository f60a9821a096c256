"""What old and new readers of a model folder expect beyond what `SentenceEncoder.save` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from teachers.encoder import SentenceEncoder

# What transformers 5 writes about how a tokenizer was loaded or last called, such as a max_length that
# contradicts model_max_length.
FOREIGN_KEYS = {
    "extra_special_tokens", "is_local", "local_files_only", "max_length", "pad_to_multiple_of",
    "pad_token_type_id", "stride", "truncation_strategy",
}  # fmt: skip
DENSE_FOLDER = "2_Dense"


def complete_runtime_files(folder: Path, encoder: SentenceEncoder) -> None:
    """Add to a folder that `encoder.save` wrote: the tokenizer's files in full, and the cut to `dim`.

    tokenizer.json then truncates at the encoder's `max_length` and does not pad, whoever reads it.
    """
    complete_tokenizer(folder, encoder.tokenizer, encoder.max_length)
    if (folder / "modules.json").is_file() and encoder.dim < encoder.hidden_size:
        _add_cut(folder, encoder)


def write_json(path: Path, content: object) -> None:
    """JSON with sorted keys and a newline at its end; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file's object."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def complete_tokenizer(folder: Path, own: PreTrainedTokenizerFast, max_length: int) -> None:
    """The files of a tokenizer that stands in the folder, for old and new readers; it truncates and does not pad."""
    path = folder / "tokenizer_config.json"
    written = json.loads(path.read_text(encoding="utf-8"))
    config = {key: value for key, value in written.items() if key not in FOREIGN_KEYS}
    if written.get("extra_special_tokens"):
        config["extra_special_tokens"] = written["extra_special_tokens"]
    if config.get("tokenizer_class") == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"  # the name that transformers 4 knows too
    side = str(getattr(own, "truncation_side", "right"))
    config |= {
        "model_max_length": max_length,
        "pad_token": str(own.pad_token),
        "padding_side": "right",
        "truncation_side": side,
    }
    write_json(path, config)
    specials = own.special_tokens_map
    write_json(folder / "special_tokens_map.json", {role: _plain(token) for role, token in specials.items()})
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(max_length, direction=side)
    tokenizer.no_padding()
    tokenizer.save(str(folder / "tokenizer.json"))


def _plain(token: object) -> str | list[str]:
    return [str(one) for one in token] if isinstance(token, list | tuple) else str(token)


def _add_cut(folder: Path, encoder: SentenceEncoder) -> None:
    """Put the cut to the first `dim` dimensions between pooling and normalising.

    sentence-transformers stores no `truncate_dim`; a Dense module with the first rows of the identity is the
    cut that every version of it loads. The pooled width is then the backbone's.
    """
    path = folder / "modules.json"
    modules = json.loads(path.read_text(encoding="utf-8"))
    if any(module["type"].endswith(".Dense") for module in modules):
        return
    modules.insert(2, {"path": DENSE_FOLDER, "type": "sentence_transformers.models.Dense"})
    write_json(path, [module | {"idx": index, "name": str(index)} for index, module in enumerate(modules)])
    pooling = folder / "1_Pooling" / "config.json"
    stated = json.loads(pooling.read_text(encoding="utf-8"))
    write_json(pooling, stated | {"word_embedding_dimension": encoder.hidden_size})
    dense = {
        "in_features": encoder.hidden_size,
        "out_features": encoder.dim,
        "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    write_json(folder / DENSE_FOLDER / "config.json", dense)
    weight = torch.eye(encoder.hidden_size)[: encoder.dim].contiguous()
    save_file({"linear.weight": weight}, folder / DENSE_FOLDER / "model.safetensors")
