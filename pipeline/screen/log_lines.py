"""What a command says as JSON, one object a line, for a collector of logs; nothing of training is loaded."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

from decant.errors import InputError

VARIABLE = "DECANT_LOG_FORMAT"
OPTION = "--log-format"
LogFormat = Literal["text", "json"]
Level = Literal["info", "warning", "error"]
FORMATS: dict[str, LogFormat] = {"text": "text", "json": "json"}


def log_line(level: Level, event: str, **facts: object) -> str:
    """One line with the fields of log.jsonl, and a level; of ASCII alone, which no terminal obeys.

    Args:
        level: of the line.
        event: what happened: begun, done, reused, progress, message, warning, failed.
        facts: JSON values.
    """
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return json.dumps({"time": now, "level": level, "event": event, **facts}) + "\n"


def log_format(said: str) -> LogFormat:
    """The format of this name.

    Raises:
        InputError: there is none.
    """
    if said not in FORMATS:
        raise InputError(f"{OPTION} {said}: choose text or json")
    return FORMATS[said]


def asked_format(arguments: Sequence[str], environment: Mapping[str, str]) -> LogFormat:
    """The format of errors, which may come before the command has read its options; text where it is not known.

    Args:
        arguments: of the command line.
        environment: its variables.
    """
    said = environment.get(VARIABLE, "")
    for option, value in pairwise([*arguments, ""]):
        if option == OPTION:
            said = value
        elif option.startswith(f"{OPTION}="):
            said = option.partition("=")[2]
    return FORMATS.get(said, "text")


def told_in(line: str) -> str | None:
    """What a line of a command's output tells of an error or a warning, in either format; None: it tells of none."""
    if line.startswith("decant: "):
        return line.removeprefix("decant: ")
    if not line.startswith('{"time": '):
        return None
    try:
        content = json.loads(line)
    except ValueError:
        return None
    if not isinstance(content, dict) or content.get("level") not in ("warning", "error"):
        return None
    return str(content.get("message", ""))
