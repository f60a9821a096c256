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
from teachers.parts import Part, config_of
from teachers.tail import WEIGHTS

# What transformers 5 writes about how a tokenizer was loaded or last called, such as a max_length that
# contradicts model_max_length.
FOREIGN_KEYS = {
    "extra_special_tokens", "is_local", "local_files_only", "max_length", "pad_to_multiple_of",
    "pad_token_type_id", "stride", "truncation_strategy",
}  # fmt: skip


def complete_runtime_files(folder: Path, encoder: SentenceEncoder) -> None:
    """Add to a folder that `encoder.save` wrote: the tokenizer's files in full, and the cut to `dim`.

    tokenizer.json then truncates at the encoder's `max_length` and does not pad, whoever reads it.
    """
    complete_tokenizer(folder, encoder.tokenizer, encoder.max_length)
    if (folder / "modules.json").is_file() and encoder.dim < encoder.width:
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
    # a class of a family makes steps of its own in place of those of tokenizer.json, and each version of it others
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    config["model_input_names"] = list(own.model_input_names)
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
    """Put the cut to the first `dim` dimensions before the last module, which normalises.

    sentence-transformers stores a `truncate_dim`, but only its later versions read it; a Dense module with the first
    rows of the identity is the cut that every version loads. The pooled width is then that of the token states.
    """
    path = folder / "modules.json"
    modules = json.loads(path.read_text(encoding="utf-8"))
    place = f"{2 + len(encoder.tail)}_Dense"
    if any(module["path"] == place for module in modules):
        return
    cut = Part("Dense", None, encoder.width, encoder.dim, bias=False, activation="Identity")
    modules.insert(-1, {"path": place, "type": "sentence_transformers.models.Dense"})
    write_json(path, [module | {"idx": index, "name": str(index)} for index, module in enumerate(modules)])
    if encoder.pools_last:
        pooling = folder / "1_Pooling" / "config.json"
        stated = json.loads(pooling.read_text(encoding="utf-8"))
        write_json(pooling, stated | {"word_embedding_dimension": encoder.width})
    write_json(folder / place / "config.json", config_of(cut))
    save_file({"linear.weight": torch.eye(encoder.width)[: encoder.dim].contiguous()}, folder / place / WEIGHTS)
