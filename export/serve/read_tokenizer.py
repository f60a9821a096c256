"""The tokenizer of an artifact folder, as every session of ours reads it, and what it says of what it cannot read."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from decant.errors import InputError
from decant.files import read_object
from decant.models.token_table import check_table


def read_tokenizer(folder: Path) -> tuple[Tokenizer, int, int]:
    """The tokenizer, truncating; the padding token's id; the most tokens of a text.

    Raises:
        InputError: a file is missing or damaged, or does not say how texts are cut and padded.
    """
    path, config_path = folder / "tokenizer.json", folder / "tokenizer_config.json"
    if not path.is_file():
        raise InputError(f"{path} is missing: no artifact folder; give the one that holds decant.json")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise InputError(f"{path} is no tokenizer ({type(error).__name__}); export the model again") from error
    rows = _read_json(folder / "config.json").get("vocab_size")
    if isinstance(rows, int):
        check_table(folder, tokenizer.get_vocab(), rows)
    config, sentences = _read_json(config_path), _read_json(folder / "sentence_bert_config.json")
    stated = [config.get("model_max_length"), sentences.get("max_seq_length")]
    lengths = [int(length) for length in stated if isinstance(length, int | float) and math.isfinite(length)]
    if not lengths or not 1 <= min(lengths) <= sys.maxsize:
        raise InputError(f"{config_path} states no model_max_length; export the model again")
    side = config.get("truncation_side", "right")
    if side not in ("right", "left"):
        raise InputError(f"{config_path}: truncation_side {side!r} is neither right nor left; export the model again")
    token = config.get("pad_token")
    content = token.get("content") if isinstance(token, dict) else token
    pad_id = tokenizer.token_to_id(content) if isinstance(content, str) else None
    if pad_id is None:
        raise InputError(f"{config_path}: pad_token {content!r} is not in tokenizer.json; export the model again")
    tokenizer.enable_truncation(min(lengths), direction=str(side))
    tokenizer.no_padding()
    return tokenizer, int(pad_id), min(lengths)


def _read_json(path: Path) -> dict[str, object]:
    """A JSON file's object; empty where there is no such file."""
    if not path.is_file():
        return {}
    return read_object(path)


def not_a_text(texts: Sequence[object]) -> str:
    """Which of the texts no tokenizer can read, and why."""
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            return f"text {index} is no text, but {type(text).__name__}"
        if any("\ud800" <= char <= "\udfff" for char in text):
            return f"text {index} holds half of a surrogate pair"
    return "the tokenizer cannot read these texts"
