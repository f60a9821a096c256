"""What old and new readers of a model folder expect beyond what `SentenceEncoder.save` writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

from decant.files import read_object, write_json
from decant.models.folder_files import SPECIAL_TOKENS, TOKENIZER, TOKENIZER_CONFIG

# What transformers 5 writes about how a tokenizer was loaded or last called, such as a max_length that
# contradicts model_max_length.
FOREIGN_KEYS = {
    "extra_special_tokens", "is_local", "local_files_only", "max_length", "pad_to_multiple_of",
    "pad_token_type_id", "stride", "truncation_strategy",
}  # fmt: skip


def complete_tokenizer(folder: Path, own: PreTrainedTokenizerFast, max_length: int) -> None:
    """The files of a tokenizer that stands in the folder, for old and new readers; it truncates and does not pad."""
    path = folder / TOKENIZER_CONFIG
    written = read_object(path)
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
    write_json(path, config, sort_keys=True)
    specials = {role: _plain(token) for role, token in own.special_tokens_map.items()}
    write_json(folder / SPECIAL_TOKENS, specials, sort_keys=True)
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.enable_truncation(max_length, direction=side)
    tokenizer.no_padding()
    tokenizer.save(str(folder / TOKENIZER))


def _plain(token: object) -> str | list[str]:
    return [str(one) for one in token] if isinstance(token, list | tuple) else str(token)
