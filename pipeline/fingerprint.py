"""What a stage is made from, as JSON values, and the digest that names it. One rule for every stage.

A setting that equals its default does not enter, nor does an input that is empty or absent: a new setting leaves the
fingerprints of recipes that do not use it as they were. Where a default changes, the stage's version is raised.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel

from decant.content_keys import hash_rows


def fingerprint(stage: str, version: int, inputs: Mapping[str, object]) -> str:
    """Sha256 that names what a stage is made from.

    Args:
        version: of the stage's code; raised where the same inputs give another result.
        inputs: as `entered` takes them: settings, digests of files, fingerprints of earlier stages.
    """
    return digest({"stage": stage, "version": version, **entered(inputs)})


def entered(inputs: Mapping[str, object]) -> dict[str, Any]:
    """Inputs as they enter a fingerprint: JSON values, without those that are empty; arrays by their sha256."""
    said = {str(name): _json(value) for name, value in inputs.items()}
    return {name: value for name, value in said.items() if value is not None and value != {} and value != []}


def stated(settings: BaseModel, leave_out: Collection[str] = (), only: Collection[str] | None = None) -> dict[str, Any]:
    """The settings that differ from their defaults.

    Args:
        leave_out: fields that another input stands for, or that decide nothing of this stage; one of a section as
            section.field.
        only: fields of this stage; None: all.
    """
    found = settings.model_dump(mode="json", exclude_defaults=True)
    for section, _, name in (field.rpartition(".") for field in leave_out):
        place = found.get(section) if section else found
        if isinstance(place, dict):
            place.pop(name, None)
    return found if only is None else {name: value for name, value in found.items() if name in only}


def pairs_digest(pairs: Sequence[tuple[str, str]]) -> str:
    """Sha256 of the keys of pairs, in their order."""
    return hashlib.sha256(hash_rows(pairs, len(pairs))[0].tobytes()).hexdigest()


def digest(content: object) -> str:
    """Sha256 of JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def _json(value: object) -> object:
    if isinstance(value, BaseModel):
        return stated(value)
    if isinstance(value, np.ndarray):
        return hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    if isinstance(value, Mapping):  # a section at its defaults, {}, is not the same as none
        return {str(name): _json(one) for name, one in value.items()}
    return [_json(one) for one in value] if isinstance(value, (list, tuple)) else value
