"""What a cross-encoder's folder says of its scores beyond its weights, as sentence-transformers reads it.

A folder of sentence-transformers 6 has modules.json and config_sentence_transformers.json, which hold the activation
and a prompt, and sentence_bert_config.json, which holds how texts are read. Older ones, and those of transformers, have
config.json alone. Each statement is followed, or refused by its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from decant.errors import InputError
from decant.files import read_object, whole_number, write_json
from decant.models.folder_files import CONFIG, MODULES, READING, SETTINGS

Activation = Literal["identity", "sigmoid"]
TORCH_NAMES: dict[Activation, str] = {
    "identity": "torch.nn.modules.linear.Identity",
    "sigmoid": "torch.nn.modules.activation.Sigmoid",
}
MODULE_TYPE = "sentence_transformers.base.modules.transformer.Transformer"
TASK, OUTPUT = "sequence-classification", "scores"
TEXT_ONLY = {"text": {"method": "forward", "method_output_name": "logits"}}
PROMPT_NAME = "query"
FOLLOWED = {"transformer_task", "modality_config", "module_output_name", "max_seq_length", "do_lower_case"}
WITHOUT_EFFECT = {"unpad_inputs", "query_length", "document_length", "query_expansion"}  # `predict` names no task


@dataclass(frozen=True)
class CrossFolder:
    """How the scores of a folder come about.

    Args:
        activation: what turns a single raw score into one on its own scale; None where nothing is said.
        prompt: put before the first text of each pair.
        lower_case: whether texts are lower-cased before its tokenizer reads them.
        max_length: the most tokens of a pair that sentence-transformers' own file states.
        plain_texts: whether it says itself that pairs are read as texts, whatever chat template its tokenizer has.
    """

    activation: Activation | None = None
    prompt: str = ""
    lower_case: bool = False
    max_length: int | None = None
    plain_texts: bool = False


def read_cross_folder(folder: Path) -> CrossFolder:
    """What the folder says.

    Raises:
        InputError: it says what Decant does not follow, names what would be accepted.
    """
    settings = read_object(folder / SETTINGS) if (folder / SETTINGS).is_file() else {}
    own = calls_itself_cross_encoder(folder)
    if not (folder / MODULES).is_file():
        if own:
            raise InputError(
                f"{folder} has a {SETTINGS} but no {MODULES}, without which it means nothing; copy the model again"
            )
        return CrossFolder(_activation(folder / CONFIG, read_object(folder / CONFIG), None))
    if not own:
        kind = settings.get("model_type", "SentenceTransformer")
        raise InputError(f"{folder} is a {kind} of sentence-transformers, not a CrossEncoder; give a cross-encoder")
    _check_modules(folder)
    reading = read_object(folder / READING) if (folder / READING).is_file() else {}
    _check_reading(folder / READING, reading)
    return CrossFolder(
        _activation(folder / SETTINGS, read_object(folder / CONFIG), settings.get("activation_fn")),
        _prompt(folder / SETTINGS, settings),
        _flag(folder / READING, reading, "do_lower_case"),
        whole_number(folder / READING, reading, "max_seq_length"),
        plain_texts=True,
    )


def calls_itself_cross_encoder(folder: Path) -> bool:
    """Whether sentence-transformers 6 has saved it as one."""
    return (folder / SETTINGS).is_file() and read_object(folder / SETTINGS).get("model_type") == "CrossEncoder"


def stated_activation(folder: Path) -> Activation:
    """What the folder puts on a single logit; identity where it says nothing."""
    return read_cross_folder(folder).activation or "identity"


def write_activation(folder: Path, activation: Activation) -> None:
    """Say in a folder that `write_cross_folder` has written, or in its config alone, what is put on a logit."""
    for name in (CONFIG, SETTINGS):
        path = folder / name
        if path.is_file():
            content = read_object(path)
            place = content if name == SETTINGS else content.setdefault("sentence_transformers", {})
            place["activation_fn"] = TORCH_NAMES[activation]
            write_json(path, content, ascii_only=True)


def write_cross_folder(folder: Path, prompt: str, activation: Activation) -> None:
    """The files by which sentence-transformers 6 puts a prompt before the first text; older ones know none."""
    write_json(folder / MODULES, [{"idx": 0, "name": "0", "path": "", "type": MODULE_TYPE}], ascii_only=True)
    stated: dict[str, object] = {"model_type": "CrossEncoder", "activation_fn": TORCH_NAMES[activation]}
    stated |= {"prompts": {PROMPT_NAME: prompt}, "default_prompt_name": PROMPT_NAME}
    write_json(folder / SETTINGS, stated, ascii_only=True)
    reading = {"transformer_task": TASK, "modality_config": TEXT_ONLY, "module_output_name": OUTPUT}
    write_json(folder / READING, reading, ascii_only=True)


def _activation(path: Path, config: Mapping[str, Any], settled: Any) -> Activation | None:
    older = config.get("sentence_transformers") or {}
    stated = settled
    if stated is None and isinstance(older, dict) and "activation_fn" in older:
        stated = older["activation_fn"]
    elif stated is None:
        stated = config.get("sbert_ce_default_activation_function")
    if stated is None:
        return None
    package, _, name = str(stated).rpartition(".")
    outputs = len(config["id2label"]) if isinstance(config.get("id2label"), dict) else 2
    if package.partition(".")[0] == "torch" and name in ("Identity", "Sigmoid"):
        return "sigmoid" if name == "Sigmoid" else "identity"
    if package.partition(".")[0] == "torch" and name in ("Softmax", "LogSoftmax") and outputs > 1:
        return "identity"  # of several outputs the raw ones are read, and a softmax keeps their order
    raise InputError(
        f"{path}: its scores are {stated} of the raw ones, which Decant does not follow; Sigmoid, Identity and, of "
        "several classes, Softmax can be loaded"
    )


def _check_modules(folder: Path) -> None:
    modules = json.loads((folder / MODULES).read_text(encoding="utf-8"))  # `check_no_code` has read it as a list
    names = [str(module.get("type")).rpartition(".")[2] for module in modules]
    if names != ["Transformer"]:
        by_words = ": the words that a language model says next" if "LogitScore" in names else ""
        raise InputError(
            f"{folder / MODULES}: its scores come of {', '.join(names) or 'no module'}{by_words}; Decant loads "
            "cross-encoders that are one Transformer with a head for classes"
        )
    if modules[0].get("path") or modules[0].get("kwargs"):
        raise InputError(
            f"{folder / MODULES}: its Transformer has a path or kwargs of its own, which Decant does not follow; it "
            "must stand in the folder itself, without any"
        )


def _check_reading(path: Path, reading: Mapping[str, Any]) -> None:
    task, output = reading.get("transformer_task", "feature-extraction"), reading.get("module_output_name", OUTPUT)
    if task != TASK or output != OUTPUT:
        raise InputError(
            f"{path}: transformer_task {task!r} gives {output!r}; Decant loads {TASK!r} that gives {OUTPUT!r}"
        )
    inputs = reading.get("modality_config", TEXT_ONLY)
    text = inputs.get("text") if isinstance(inputs, dict) else None
    if text != TEXT_ONLY["text"] or "message" in inputs:
        kinds = ", ".join(inputs) if isinstance(inputs, dict) else inputs
        why = ", and a pair as a chat" if isinstance(inputs, dict) and "message" in inputs else ""
        raise InputError(
            f"{path}: modality_config reads {kinds}{why}; Decant loads cross-encoders that read a pair as two texts "
            "and give logits"
        )
    other = [key for key, value in reading.items() if value and key not in FOLLOWED | WITHOUT_EFFECT]
    if other:
        raise InputError(
            f"{path}: {other[0]} is set, which Decant does not follow; it follows {', '.join(sorted(FOLLOWED))}"
        )


def _prompt(path: Path, settings: Mapping[str, Any]) -> str:
    prompts, name = settings.get("prompts") or {}, settings.get("default_prompt_name")
    if name is None:
        return ""
    if not isinstance(prompts, dict) or name not in prompts:
        raise InputError(f"{path}: default_prompt_name {name!r} is none of its prompts; correct it")
    prompt = prompts[name] or ""
    if not isinstance(prompt, str):
        raise InputError(f"{path}: prompt {name!r} is no text; correct it")
    return prompt


def _flag(path: Path, content: Mapping[str, Any], key: str) -> bool:
    value = content.get(key, False)
    if not isinstance(value, bool):
        raise InputError(f"{path}: {key} {value!r} is neither true nor false")
    return value
