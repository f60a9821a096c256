"""Prompts: what stands before a text, by the name of what the text is (query, document, …).

A model is told by its prompt what kind of text it reads. sentence-transformers keeps the prompts of a folder in
config_sentence_transformers.json, puts them before the text itself and tokenizes both as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

from decant.errors import InputError
from decant.files import read_object
from decant.models.folder_files import SETTINGS

Pair = tuple[str, str]


class Prompted(str):
    """A text with its prompt before it already, so that no default prompt is put there again."""

    __slots__ = ()


class PromptText(str):
    """A prompt itself, where else its name would stand."""

    __slots__ = ()


@dataclass(frozen=True)
class Prompts:
    """The prompts of a model.

    Args:
        texts: name → what stands before the text, spaces included; "" for none.
        default: the name of the prompt of a text that none is named for; None: it has none.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None

    def __post_init__(self) -> None:
        if self.default is not None and self.default not in self.texts:
            raise InputError(f"default prompt {self.default!r} is none of the prompts; {_named(self.texts)}")

    @property
    def any(self) -> bool:
        """Whether some text would get a prompt."""
        return any(self.texts.values())

    def of(self, name: str | None) -> str:
        """The prompt of this name; the default one, or none, for None.

        Raises:
            InputError: there is no such prompt.
        """
        chosen = self.default if name is None else name
        if chosen is None:
            return ""
        if chosen not in self.texts:
            raise InputError(f"prompt {name!r}: there is none of this name; {_named(self.texts)}")
        return self.texts[chosen]

    def given(self, prompt: str | None) -> str:
        """A prompt by its name, a `PromptText` as it is, none for "", and the default one for None.

        Raises:
            InputError: there is no such prompt.
        """
        return str(prompt) if prompt == "" or isinstance(prompt, PromptText) else self.of(prompt)

    def before(self, texts: Sequence[str]) -> list[str]:
        """The texts behind the default prompt, but for those that have one already."""
        default = self.of(None)
        if not default:
            return list(texts)
        return [text if isinstance(text, Prompted) else default + text for text in texts]


def prompted(texts: Sequence[str], prompt: str) -> list[str]:
    """The texts behind a prompt, marked as having one."""
    return [Prompted(prompt + text) for text in texts]


def read_behind(texts: Sequence[str], prompts: Prompts, name: str | None) -> Sequence[str]:
    """The texts as a model of these prompts reads them: behind the one of this name.

    For None they are as they are, to get the default prompt where they are read; so they are for a model that has no
    prompt but empty ones.
    """
    return texts if name is None or not prompts.any else prompted(texts, prompts.of(name))


class PromptedPairs(Sequence[Pair]):
    """Pairs, each side behind a prompt of its own; made as they are asked for.

    Args:
        pairs: as the files have them.
        prompts: of the model that reads them.
        first: name of the first side's prompt; None: the default one.
        second: of the second side's.
    """

    def __init__(self, pairs: Sequence[Pair], prompts: Prompts, first: str | None, second: str | None) -> None:
        self._pairs, self._prompts, self._names = pairs, prompts, (first, second)

    def __len__(self) -> int:
        return len(self._pairs)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Pair]: ...
    def __getitem__(self, index: int | slice) -> Pair | Sequence[Pair]:
        if isinstance(index, slice):
            return PromptedPairs(self._pairs[index], self._prompts, *self._names)
        sides = zip(self._pairs[index], self._names, strict=True)
        first, second = (read_behind([text], self._prompts, name)[0] for text, name in sides)
        return first, second


def prompted_pairs(pairs: Sequence[Pair], prompts: Prompts, first: str | None, second: str | None) -> Sequence[Pair]:
    """The pairs as a model of these prompts reads them; the very pairs where no side names a prompt."""
    if (first is None and second is None) or not prompts.any:
        return pairs
    return PromptedPairs(pairs, prompts, first, second)


def read_prompts(folder: Path) -> Prompts:
    """The prompts that a model folder states; none where it states none.

    Raises:
        InputError: they are no texts by name, or the default one is not among them.
    """
    path = folder / SETTINGS
    stated = read_object(path) if path.is_file() else {}
    texts, default = stated.get("prompts") or {}, stated.get("default_prompt_name")
    sound = isinstance(texts, dict) and all(one is None or isinstance(one, str) for one in texts.values())
    if not sound or not (default is None or isinstance(default, str)):
        raise InputError(f"{path}: prompts are texts by their names, and default_prompt_name is one of the names")
    named = {str(name): text or "" for name, text in texts.items()}
    if default is not None and default not in named:
        # sentence-transformers has these two, empty, in every model
        if default not in ("query", "document"):
            raise InputError(f"{path}: default_prompt_name {default!r} is none of its prompts; {_named(named)}")
        named[default] = ""
    return Prompts(named, default)


def _named(texts: Mapping[str, str]) -> str:
    return f"there are {', '.join(texts)}" if texts else "there are no prompts"
