"""Texts of a retrieval set to learn from: the queries of a split, and the passages that only they need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from decant.errors import InputError
from pipeline.texts.json_line import json_line

QUERY, PASSAGE = "query", "passage"
CORPUS, QUERIES, JUDGEMENTS = "corpus.jsonl", "queries.jsonl", "qrels"
Row = dict[str, str | None]


def is_beir(folder: Path) -> bool:
    """Whether a folder is in BEIR's layout (Thakur et al. 2021)."""
    return all((folder / name).is_file() for name in (CORPUS, QUERIES))


def beir_rows(folder: Path, split: str, columns: tuple[str, ...]) -> Iterator[list[Row]]:
    """A row a text: the queries that the split judges, and the passages that are relevant in it and in no other split.

    Args:
        columns: of query and passage, those to take.

    Raises:
        InputError: there is no such split or column, or a line cannot be read.
    """
    wrong = [column for column in columns if column not in (QUERY, PASSAGE)]
    if wrong:
        raise InputError(f"{folder} is a retrieval set: its columns are {QUERY} and {PASSAGE}, not {wrong[0]}")
    files = {path.stem: path for path in sorted((folder / JUDGEMENTS).glob("*.tsv"))}
    if split not in files:
        raise InputError(f"{folder}: no {JUDGEMENTS}/{split}.tsv; its splits are {', '.join(files) or 'none'}")
    judged = {name: _judged(path) for name, path in files.items()}
    held_out = {passage for name, pairs in judged.items() if name != split for _, passage in pairs}
    wanted = {
        QUERY: {query for query, _ in judged[split]},
        PASSAGE: {passage for _, passage in judged[split]} - held_out,
    }
    for column in columns:
        yield from _texts(folder / (QUERIES if column == QUERY else CORPUS), column, wanted[column])


def _judged(path: Path) -> list[tuple[str, str]]:
    """(query, passage) of every judgement above 0."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()[1:], start=2):
        parts = line.split("\t")
        if len(parts) != 3 or not parts[2].strip().lstrip("-").isdigit():
            raise InputError(f"{path}:{number}: {line[:60]!r} is no judgement; give query-id, corpus-id and a grade")
        if int(parts[2]) > 0:
            found.append((parts[0], parts[1]))
    return found


def _texts(path: Path, column: str, wanted: set[str]) -> Iterator[list[Row]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            stated = json_line(line, f"{path}:{number}", ("_id", "title", "text"))
            if not isinstance(stated, dict):
                raise InputError(f"{path}:{number} is no object with _id and text")
            if str(stated.get("_id")) in wanted:
                text = " ".join(str(stated.get(key) or "") for key in ("title", "text"))
                yield [{column: text}]
