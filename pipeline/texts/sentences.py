"""Single texts without labels, for a teacher that embeds: sources → distinct sentences, every text left out counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from decant.errors import InputError
from pipeline.texts.problems import Problem, refuse
from pipeline.texts.settings import DEFAULT_ACTIONS, Action, ProblemKind
from pipeline.texts.source import LINES, SUFFIXES, Source, row_parts

WORDS: dict[ProblemKind, str] = {
    "encoding": "is not UTF-8",
    "empty": "has an empty text",
    "duplicate": "repeats an earlier text",
    "leak": "stands in a held-out set too",
}


class SentenceSource(Source, frozen=True, extra="forbid"):
    """Where unlabelled texts are: as for pairs, a .txt file of one text a line, or a retrieval set in BEIR's layout.

    The column of a .txt file is called text; those of a retrieval set query and passage, of one of its splits.
    """

    endings: ClassVar[tuple[str, ...]] = (*SUFFIXES, LINES)
    retrieval: ClassVar[bool] = True

    columns: tuple[str, ...] = Field(("text",), min_length=1, description="columns whose texts are all taken")
    limit: int | None = Field(None, ge=1, description="take only the first rows; default: all")
    first_words: int | None = Field(
        None,
        ge=1,
        exclude_if=lambda value: value is None,  # so that no finished run depends on there being such a setting
        description="take only so many of each text's first words; default: the whole text",
    )
    prompt: str | None = Field(
        None, description="name of the prompt that its texts stand behind, such as document; default: the model's own"
    )


@dataclass(frozen=True)
class Sentences:
    """Distinct texts in the order of the files, white space folded, and what was left out on the way."""

    texts: list[str]
    dropped: list[Problem] = field(default_factory=list)
    prompts: dict[str, str] = field(default_factory=dict)
    """Text → the name of its prompt, where its source names one."""

    def dropped_counts(self) -> dict[str, int]:
        """How many texts were left out, by kind of problem."""
        return dict(Counter(problem.kind for problem in self.dropped))


def fold(text: str) -> str:
    """White space of any kind and length becomes one space; none is left at the ends."""
    return " ".join(text.split())


def leak_key(text: str) -> str:
    """What two texts share that differ in case, white space and punctuation only: their letters and digits."""
    return "".join(filter(str.isalnum, text.casefold())) or fold(text)


def load_sentences(
    sources: Sequence[SentenceSource],
    base: Path,
    problems: Mapping[ProblemKind, Action],
    exclude: Collection[str] = (),
) -> Sentences:
    """Read every source's texts, row by row and column by column.

    Args:
        base: the recipe's folder, which relative paths start from.
        problems: refuse or drop, as in `TextsSettings.problems`; what is not named goes by `DEFAULT_ACTIONS`.
        exclude: texts of held-out sets; the same letters and digits count as a leak.

    Raises:
        InputError: a source cannot be read, holds a text that is refused, or nothing is left; all such texts are
            counted.
    """
    held_out = {leak_key(text) for text in exclude}
    texts: dict[str, None] = {}  # an ordered set
    prompts: dict[str, str] = {}
    found: list[Problem] = []
    files = []
    for source in sources:
        parts, file = row_parts(source, base, source.columns)
        files.append(file)
        for number, row in enumerate(islice(chain.from_iterable(parts), source.limit), start=1):
            for column in source.columns:
                if column not in row:
                    continue  # a retrieval set's rows hold a text each
                text = " ".join((row[column] or "").split()[: source.first_words])
                kind = _problem(text, texts, held_out)
                if kind is None:
                    texts[text] = None
                    prompts |= {text: source.prompt} if source.prompt is not None else {}
                else:
                    found.append(Problem(kind, file, number, column if len(source.columns) > 1 else ""))
    refuse(found, lambda kind: problems.get(kind, DEFAULT_ACTIONS[kind]), _said, "texts")
    sentences = Sentences(list(texts), found, prompts)
    if sources and not texts:
        counts = ", ".join(f"{kind} {count}" for kind, count in sentences.dropped_counts().items())
        raise InputError(f"{', '.join(files)}: no text is left (left out: {counts}); give more texts")
    return sentences


def first_texts(sources: Sequence[SentenceSource], base: Path, count: int) -> list[str]:
    """The texts of the first rows of each source, unchecked; arguments as in `load_sentences`.

    Args:
        count: of rows.
    """
    found = []
    for source in sources:
        parts, _ = row_parts(source, base, source.columns)
        rows = islice(chain.from_iterable(parts), count)
        found += [fold(row[column] or "") for row in rows for column in source.columns if column in row]
    return found


def _problem(text: str, seen: Collection[str], held_out: Collection[str]) -> ProblemKind | None:
    if "\ufffd" in text:  # what an undecodable byte is read as
        return "encoding"
    if not text:
        return "empty"
    if held_out and leak_key(text) in held_out:
        return "leak"
    return "duplicate" if text in seen else None


def _said(problem: Problem) -> str:
    column = f", column {problem.detail}" if problem.detail else ""
    return f"{problem.file}, row {problem.row}{column} {WORDS[problem.kind]}"
