"""Whether a tokenizer and the table of token vectors belong together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from decant.errors import InputError


def check_table(folder: Path, vocabulary: Mapping[str, int], rows: int) -> None:
    """Refuse a tokenizer that gives ids without a row.

    Args:
        folder: of the model.
        vocabulary: token → id, added tokens too.
        rows: of the table.

    Raises:
        InputError: names the token.
    """
    token = max(vocabulary, key=vocabulary.__getitem__, default="")
    if token and vocabulary[token] >= rows:
        raise InputError(
            f"{folder}: its tokenizer gives {token!r} the id {vocabulary[token]}, but its table of tokens has {rows} "
            "rows; copy tokenizer and weights from one model"
        )
