"""A cell's value → its text."""

from __future__ import annotations

import re
from typing import Any

HALF_PAIR = re.compile("[\ud800-\udfff]")


def as_text(value: Any) -> str | None:
    """A string as it is, any other value as Python writes it; None where there is none."""
    return None if value is None else whole(value if isinstance(value, str) else str(value))


def whole(text: str) -> str:
    """The text with each half of a surrogate pair, which is in no UTF-8, as the sign of a byte that cannot be read."""
    return HALF_PAIR.sub("\ufffd", text)
