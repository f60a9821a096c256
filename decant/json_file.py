"""A JSON file that someone else wrote, as an object or as an error of one line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decant.errors import InputError, one_line


def read_object(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        InputError: the file cannot be read, is not JSON in UTF-8, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # ValueError: not UTF-8, not JSON, or a number of 4,300 digits
        raise InputError(f"{path} is not JSON: {one_line(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object, but {type(content).__name__}")
    return content


def whole_number(path: Path, content: Mapping[str, Any], key: str) -> int | None:
    """A count that a file states, 1 or more; None where it states none.

    Raises:
        InputError: it states something else.
    """
    value = content.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 1:
        raise InputError(f"{path}: {key} {value!r} is no number of 1 or more")
    return int(value)
