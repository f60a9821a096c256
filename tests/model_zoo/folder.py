"""Models put together from modules and saved, each by sentence-transformers itself; edits of what it saved."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase


def transformer(backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, **settings: Any) -> Transformer:
    """The first module, read from a folder as a hub has it; `settings` as `Transformer` takes them."""
    with tempfile.TemporaryDirectory() as base:
        backbone.save_pretrained(base)
        tokenizer.save_pretrained(base)
        return Transformer(base, **settings)


def save(folder: Path, *modules: nn.Module, **settings: Any) -> None:
    """Saves the modules as one model; `settings` (prompts and the like) as `SentenceTransformer` takes them."""
    model = SentenceTransformer(modules=list(modules), device="cpu", **settings)
    model.save_pretrained(str(folder), create_model_card=False)


def edit(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Rewrites the JSON file `name`: `change` edits what it holds in place, or returns what is to stand there."""
    file = folder / name
    held = json.loads(file.read_text(encoding="utf-8"))
    changed = change(held)
    file.write_text(json.dumps(held if changed is None else changed, indent=2), encoding="utf-8")


def set_keys(name: str, **values: Any) -> Callable[[Path], None]:
    """An edit that sets keys of the JSON file `name`; a value of None takes the key out."""

    def change(folder: Path) -> None:
        def apply(held: dict[str, Any]) -> None:
            for key, value in values.items():
                held.pop(key, None) if value is None else held.update({key: value})

        edit(folder, name, apply)

    return change


def without_modules(*indices: int) -> Callable[[Path], None]:
    """An edit that takes modules, counted from 0, out of modules.json."""
    return lambda folder: edit(
        folder, "modules.json", lambda modules: [one for i, one in enumerate(modules) if i not in indices]
    )


def pooled_by(mode: str) -> Callable[[Path], None]:
    """An edit that sets another pooling."""
    return set_keys("1_Pooling/config.json", pooling_mode=mode)
