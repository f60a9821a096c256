"""A model folder that asks for code of its own is refused before any library reads it.

transformers loads such code by `auto_map`, sentence-transformers by a module's `type` and `activation_function`; before
version 6 the latter does so from every local folder without being told to.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from decant.errors import InputError
from decant.files import read_object
from decant.models.folder_files import CONFIG, MODULES, TOKENIZER_CONFIG
from decant.models.layout import ROUTERS, bodies

MAPPED = (CONFIG, TOKENIZER_CONFIG)
KNOWN_MODULES, KNOWN_ACTIVATIONS = "sentence_transformers.", "torch.nn."
REMEDY = "Decant runs no code of a model; give one that transformers and sentence-transformers load without it"


def check_no_code(folder: Path) -> None:
    """Refuse a folder whose files name classes that are to be imported.

    Raises:
        InputError: names the file and the class.
    """
    if (folder / MODULES).is_file():
        for module in _modules(folder / MODULES):
            _check_module(folder, module)
    for path in (part / name for part in (folder, *(body.folder for body in bodies(folder))) for name in MAPPED):
        mapped = read_object(path).get("auto_map") if path.is_file() else None
        if mapped:
            raise InputError(f"{path} asks for code of its own (auto_map: {_said(mapped)}); {REMEDY}")


def _modules(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {type(error).__name__}") from error
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise InputError(f"{path} is no list of modules; copy the model again")
    return content


def _check_module(folder: Path, module: dict[str, Any]) -> None:
    kind, place = module.get("type"), module.get("path", "")
    if not isinstance(kind, str) or not kind.startswith(KNOWN_MODULES):
        raise InputError(f"{folder / MODULES} asks for code of its own (type: {_said(kind)}); {REMEDY}")
    if not isinstance(place, str) or not (folder / place).resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{folder / MODULES}: path {place!r} leads out of the folder; copy the model again")
    for member, of_kind in _members(folder / place).items() if kind.endswith((".Router", ".Asym")) else ():
        _check_module(folder / place, {"type": of_kind, "path": member})
    config = folder / place / CONFIG
    activation = read_object(config).get("activation_function") if place and config.is_file() else None
    if "." in str(activation) and not str(activation).startswith(KNOWN_ACTIVATIONS):  # a class to be imported
        raise InputError(f"{config} asks for code of its own (activation_function: {_said(activation)}); {REMEDY}")


def _members(router: Path) -> dict[str, Any]:
    """The modules of all routes, folder → type."""
    stated = [read_object(router / name).get("types") for name in ROUTERS if (router / name).is_file()]
    return {str(member): kind for types in stated if isinstance(types, dict) for member, kind in types.items()}


def _said(value: object) -> str:
    return json.dumps(value)[:100]
