"""Model references: a hub id, a local folder, or `package:NAME/FOLDER` inside an installed Python package.

A hub id `org/name` is first looked for as `org/name` and as `name` under the folder in DECANT_MODELS.

Only safetensors weights are accepted: a pickle can run code when it is loaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from decant.errors import InputError
from decant.files import expand_user, is_there, read_object, sha256_of, whole_number
from decant.models.folder_files import ADAPTER, CONFIG, TOKENIZER
from decant.models.hub import ask_hub, hub_model_error
from decant.models.installed import MODELS_VARIABLE
from decant.models.layout import Body, bodies, body_folder
from decant.models.no_code import check_no_code

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
HUB_FILES = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model"]
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5")
LAYER_KEYS = ("num_hidden_layers", "n_layers", "num_layers", "n_layer")  # each is made before any weight is read
MERGED = ("LORA", "ADALORA", "IA3", "LOHA", "LOKR")  # adapters of peft that become a part of the weights
MAX_HEADER_BYTES = 100_000_000  # the limit of the safetensors format itself


def resolve_model(reference: str | Path, base: Path | None = None) -> Path:
    """The local folder of a model reference, checked to be loadable.

    Args:
        reference: hub id (`org/name`), folder, or `package:NAME/FOLDER`.
        base: folder that relative references are tried in first (a recipe's own folder).

    Raises:
        InputError: nothing is there, or what is there cannot be loaded safely.
    """
    folder = _locate(str(reference), base)
    check_model_folder(folder)
    return folder


def is_on_the_hub(reference: str, base: Path | None = None) -> bool:
    """Whether the reference is a hub id that no folder here stands for, so that it would be downloaded."""
    if reference.startswith("package:") or "/" not in reference or HUB_ID.fullmatch(reference) is None:
        return False
    return not any(is_there(folder) for folder in _folders(reference, base))


def check_hub_model(reference: str, ask: Callable[[Literal["model"], str], Any] = ask_hub) -> Path | None:
    """The folder of a hub model in the hub's cache here; None where it is not, but the hub says that it has it.

    Args:
        ask: how the hub is asked.

    Raises:
        InputError: neither.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        folder = Path(snapshot_download(reference, allow_patterns=HUB_FILES, local_files_only=True))
        check_model_folder(folder)
    except (HFValidationError, InputError, OSError):  # not there, or a part of it
        try:
            ask("model", reference)
        except Exception as error:  # the hub's library passes on whatever the network raises
            raise hub_model_error(reference, error) from error
        return None
    return folder


def layers_of(reference: str) -> int | None:
    """How many layers a model on this machine has, by its config; None where it is not here, or says nothing."""
    try:
        folder = check_hub_model(reference) if is_on_the_hub(reference) else resolve_model(reference)
        path = config_folder(folder) / CONFIG if folder is not None else None
        stated = read_object(path) if path is not None else {}
        return next((n for key in LAYER_KEYS if path and (n := whole_number(path, stated, key))), None)
    except InputError:
        return None


def model_digest(folder: Path) -> str:
    """Sha256 over the names and contents of the files that decide a model's answers (config, weights, tokenizer).

    Those of the model under an adapter are among them.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in {".safetensors", ".json", ".txt", ".model"}:
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(bytes.fromhex(sha256_of(path)))
    base = adapter_base(body_folder(folder))
    if base is not None:
        digest.update(model_digest(base).encode())
    return digest.hexdigest()


def adapter_base(folder: Path) -> Path | None:
    """The folder of the model that an adapter of peft belongs to; None where the folder is no adapter's.

    Raises:
        InputError: it names no model, or one that is not there.
    """
    path = folder / ADAPTER
    if not path.is_file() or (folder / CONFIG).is_file():
        return None
    stated = read_object(path)
    base, kind = stated.get("base_model_name_or_path"), str(stated.get("peft_type"))
    if kind not in MERGED:
        raise InputError(f"{path}: an adapter of type {kind!r} cannot be merged into weights; {', '.join(MERGED)} can")
    if not isinstance(base, str) or not base:
        raise InputError(f"{path} names no base_model_name_or_path; an adapter needs the model that it was trained on")
    try:
        found = _locate(base, folder)
    except InputError as error:
        raise InputError(f"{path}: the model that the adapter was trained on cannot be had: {error}") from error
    if (found / ADAPTER).is_file() and not (found / CONFIG).is_file():
        raise InputError(f"{path}: base_model_name_or_path {base!r} is an adapter itself; give the model under it")
    return found


def config_folder(folder: Path) -> Path:
    """Where the config.json lies that a model folder's transformer is made by."""
    body = body_folder(folder)
    return adapter_base(body) or body


def check_model_folder(folder: Path) -> None:
    """Refuse a folder without a config, with code of its own, with pickled weights only, or with damaged safetensors.

    Raises:
        InputError: names the folder or file, and what would be accepted.
    """
    check_no_code(folder)
    for body in bodies(folder):
        _check_body(body)


def _check_body(body: Body) -> None:
    folder = body.folder
    if body.kind == "static":
        if not (folder / TOKENIZER).is_file():
            raise InputError(f"{folder} is a table of token vectors, but tokenizer.json is missing; copy it again")
        _check_weights(folder)
        return
    base = adapter_base(folder)
    if base is not None:
        check_model_folder(base)
        _check_weights(folder)
        return
    config = folder / CONFIG
    if not config.is_file():
        held = " but a GGUF file" if any(folder.glob("*.gguf")) else ""
        raise InputError(f"{folder} holds no model{held}: config.json is missing")
    stated = read_object(config)
    if "model_type" not in stated:
        raise InputError(f"{config}: no model_type in it, so this is not a transformers model")
    tensors = _check_weights(folder)
    for key in LAYER_KEYS:
        layers = whole_number(config, stated, key) or 0
        if layers > tensors:
            raise InputError(
                f"{config}: {key} {layers} is more than the {tensors} weights there are; copy the model again"
            )


def _check_weights(folder: Path) -> int:
    """How many tensors the folder's safetensors hold, each file checked by its header."""
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickles = [path.name for pattern in PICKLES for path in folder.glob(pattern)]
        found = f"only pickled weights ({', '.join(pickles)})" if pickles else "no weights"
        gguf = next((path.name for path in folder.glob("*.gguf")), None)
        if gguf is not None:
            raise InputError(f"{folder} holds only weights as a GGUF file ({gguf}); Decant loads model.safetensors")
        raise InputError(f"{folder} holds {found}; Decant loads model.safetensors only, since a pickle can run code")
    return sum(len(_check_safetensors(path)) for path in weights)


def _locate(reference: str, base: Path | None) -> Path:
    if reference.startswith("package:"):
        return _package_folder(reference)
    for candidate in filter(is_there, _folders(reference, base)):
        if candidate.is_dir():
            return candidate.resolve()
        if candidate.is_file():
            raise InputError(f"model {reference!r} is a file; give the folder that holds config.json")
    if not HUB_ID.fullmatch(reference):
        raise InputError(f"model {reference!r}: no such folder, and not a hub id (org/name) or package:NAME/FOLDER")
    return _from_hub(reference)


def _folders(reference: str, base: Path | None) -> list[Path]:
    """Where a reference may stand on this machine, whether it does or not."""
    folders = [base / reference] if base is not None else []
    folders.append(expand_user(reference))
    models = os.environ.get(MODELS_VARIABLE)
    if models and HUB_ID.fullmatch(reference):
        folders += [Path(models) / reference, Path(models) / reference.rpartition("/")[2]]
    return folders


def _package_folder(reference: str) -> Path:
    name, _, inside = reference.removeprefix("package:").partition("/")
    try:
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"model {reference!r}: no Python package {name!r} is installed (pip install the one that has it)"
        )
    root = Path(next(iter(spec.submodule_search_locations))).resolve()
    folder = (root / inside).resolve()
    if not folder.is_relative_to(root) or not folder.is_dir():
        raise InputError(f"model {reference!r}: package {name!r} has no folder {inside!r}")
    return folder


def _from_hub(reference: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(reference, allow_patterns=HUB_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise hub_model_error(reference, error) from error


def stored_shapes(folder: Path) -> dict[str, list[int]]:
    """Names and shapes of all tensors in the folder's safetensors, by their headers."""
    files = sorted(folder.glob("*.safetensors"))
    return {name: entry["shape"] for path in files for name, entry in _check_safetensors(path).items()}


def _check_safetensors(path: Path) -> dict[str, Any]:
    """Hold a file to its header; returns what it says of each tensor, by its name."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, MAX_HEADER_BYTES):
            raise InputError(f"{path} is cut short or not a safetensors file ({size} bytes); copy or download it again")
        try:
            header = json.loads(file.read(length))
            end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
            raise InputError(f"{path} is not a safetensors file: its header cannot be read") from error
    if 8 + length + end != size:
        raise InputError(
            f"{path} is cut short: {size} bytes where its header promises {8 + length + end}; copy it again"
        )
    return {name: entry for name, entry in header.items() if name != "__metadata__"}
