"""Folders in BEIR's layout → the queries to learn from and to be judged by, every problem named by file and row."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from decant.errors import InputError
from pipeline.measure.retrieval import RetrievalSet, read_collection, read_judgements
from pipeline.suite.read_sets import beir_files, ranking_folder
from pipeline.suite.settings import RankingSet
from pipeline.texts.problems import Problem, refuse
from pipeline.texts.sentences import leak_key
from pipeline.texts.settings import ProblemKind, TextsSettings
from pipeline.texts.source import Source

PASSAGES, QUERIES = "passages.parquet", "queries.parquet"
LEAST_QUERIES = 2
WORDS: dict[ProblemKind, str] = {
    "empty": "has an empty text",
    "duplicate": "repeats an earlier text",
    "leak": "stands in dev or test too",
}


@dataclass(frozen=True)
class Rankings:
    """The queries of each split, and the documents to find; of a train query without a judgement nothing is relevant.

    Splits of one folder hold the very same documents.
    """

    train: RetrievalSet
    dev: RetrievalSet
    test: RetrievalSet

    @property
    def splits(self) -> dict[str, RetrievalSet]:
        """By name."""
        return {"train": self.train, "dev": self.dev, "test": self.test}


def source_folder(source: Source, base: Path) -> Path:
    """The folder that a source in BEIR's layout names.

    Raises:
        InputError: it is not there.
    """
    return ranking_folder(RankingSet(kind="ranking", path=source.path, data=source.data, split=source.split), base)


def source_files(key: str, source: Source, base: Path) -> list[Path]:
    """The files that a source of a ranking is read from; of unlabelled queries no judgement is read.

    Args:
        key: of the recipe, such as texts.train.

    Raises:
        InputError: the folder or a file is not there.
    """
    names = beir_files(source.split)[: 2 if key.startswith("texts.unlabelled") else 3]
    files = [source_folder(source, base) / name for name in names]
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None:
        raise InputError(
            f"{missing} is missing: a ranking is read from corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv"
        )
    return files


def load_rankings(settings: TextsSettings, base: Path) -> tuple[Rankings, list[Problem]]:
    """Read, check and split the queries of a recipe.

    Doubled passages stay where they are searched, since published figures count them; lists hold each text once.

    Args:
        base: the recipe's folder, which relative paths start from.

    Raises:
        InputError: a file cannot be read, or holds what the recipe refuses; all such rows are counted.
    """
    reader = _Reader(settings, base)
    assert settings.train is not None
    train = reader.split(settings.train)
    held = {name: reader.split(one) for name, one in (("dev", settings.dev), ("test", settings.test)) if one}
    limited = list(train.queries)[: settings.limit]
    judged = [text for text in limited if _relevant(train.queries[text])]
    dev = list(held["dev"].queries) if "dev" in held else _drawn(judged, 0, settings.dev_share)
    test = list(held["test"].queries) if "test" in held else _drawn(judged, 1 - settings.test_share, 1)
    out = {leak_key(text) for text in (*dev, *test)}
    chosen = {text for name, some in (("dev", dev), ("test", test)) if name not in held for text in some}
    leaks = [text for text in limited if leak_key(text) in out and text not in chosen]
    problems = [*reader.problems, *(Problem("leak", str(train.file), train.rows[text]) for text in leaks)]
    refuse(problems, settings.action, _said)
    learned = train.only([text for text in limited if leak_key(text) not in out])
    more = reader.unjudged(train, {*out, *map(leak_key, train.queries)})
    learned = RetrievalSet(learned.documents, (*learned.queries, *more), (*learned.relevance, *({} for _ in more)))
    found = Rankings(learned, held.get("dev", train).only(dev), held.get("test", train).only(test))
    _check_enough(found)
    return found, problems


def save_rankings(rankings: Rankings, folder: Path) -> None:
    """The passages of each folder once, and every query with its judgements."""
    corpora: list[tuple[str, ...]] = []
    for one in rankings.splits.values():
        if not any(one.documents is known for known in corpora):
            corpora.append(one.documents)
    numbers = [number for number, texts in enumerate(corpora) for _ in texts]
    passages = {"corpus": pa.array(numbers, pa.int32()), "text": [text for texts in corpora for text in texts]}
    pq.write_table(pa.table(passages), folder / PASSAGES)
    rows = [
        {
            "split": name, "corpus": next(n for n, known in enumerate(corpora) if one.documents is known),
            "text": text, "documents": list(grades), "grades": list(grades.values()),
        }
        for name, one in rankings.splits.items()
        for text, grades in zip(one.queries, one.relevance, strict=True)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), folder / QUERIES)


def read_rankings(folder: Path) -> Rankings | None:
    """What `save_rankings` wrote; None where there are none."""
    if not (folder / PASSAGES).is_file():
        return None
    passages = pq.read_table(folder / PASSAGES).to_pydict()
    corpora: dict[int, list[str]] = {}
    for number, text in zip(passages["corpus"], passages["text"], strict=True):
        corpora.setdefault(number, []).append(text)
    documents = {number: tuple(texts) for number, texts in corpora.items()}
    rows = pq.read_table(folder / QUERIES).to_pylist()
    found = {}
    for name in ("train", "dev", "test"):
        own = [row for row in rows if row["split"] == name]
        relevance = tuple(dict(zip(row["documents"], row["grades"], strict=True)) for row in own)
        found[name] = RetrievalSet(documents[own[0]["corpus"]], tuple(row["text"] for row in own), relevance)
    return Rankings(**found)


def judged_pairs(one: RetrievalSet) -> tuple[list[tuple[str, str]], list[float]]:
    """Each query with each document that was judged relevant, and its grade: the texts of a split as pairs."""
    found = [
        (query, one.documents[document], float(grade))
        for query, grades in zip(one.queries, one.relevance, strict=True)
        for document, grade in grades.items() if grade > 0
    ]  # fmt: skip
    return [(query, document) for query, document, _ in found], [grade for _, _, grade in found]


@dataclass(frozen=True)
class _Folder:
    """A folder's passages without empty ones, its queries, and how both are numbered."""

    path: Path
    documents: tuple[str, ...]
    kept: dict[int, int]
    """Number of a passage in its file → its number here."""
    ids: dict[str, str]
    queries: dict[str, str]


@dataclass(frozen=True)
class _Split:
    """One split: query → the grades of its documents, and the row of each in its file."""

    folder: _Folder
    queries: dict[str, dict[int, int]]
    rows: dict[str, int]

    @property
    def file(self) -> Path:
        """That its queries stand in."""
        return self.folder.path / "queries.jsonl"

    def only(self, texts: Sequence[str]) -> RetrievalSet:
        """These of its queries."""
        return RetrievalSet(self.folder.documents, tuple(texts), tuple(self.queries[text] for text in texts))


class _Reader:
    """Reads each folder once, and keeps the problems that it finds."""

    def __init__(self, settings: TextsSettings, base: Path) -> None:
        self.settings, self.base = settings, base
        self.problems: list[Problem] = []
        self._folders: dict[Path, _Folder] = {}

    def split(self, source: Source) -> _Split:
        """The judged queries of a source; of those with one text the judgements are joined."""
        folder = self._folder(source_folder(source, self.base))
        judged = read_judgements(folder.path / beir_files(source.split)[2], folder.queries, folder.ids)
        rows = {key: row for row, key in enumerate(folder.queries, start=1)}
        found = _Split(folder, {}, {})
        for key, text in folder.queries.items():
            if key not in judged:
                continue
            if not text or text in found.queries:
                self.problems.append(Problem("duplicate" if text else "empty", str(found.file), rows[key]))
            if text:
                grades = {folder.kept[n]: grade for n, grade in judged[key].items() if n in folder.kept}
                found.queries[text] = grades | found.queries.get(text, {})
                found.rows.setdefault(text, rows[key])
        return found

    def unjudged(self, train: _Split, known: Collection[str]) -> list[str]:
        """The queries of `texts.unlabelled` that no split has, each once.

        Args:
            known: keys of the queries of the splits, as `leak_key` gives them.
        """
        found: dict[str, str] = {}
        for number, source in enumerate(self.settings.unlabelled):
            folder = self._folder(source_folder(source, self.base))
            if folder is not train.folder:
                raise InputError(
                    f"texts.unlabelled.{number}: {folder.path} is another folder than that of texts.train, whose "
                    "passages its queries are to be answered by; name the same folder"
                )
            for text in folder.queries.values():
                if text and leak_key(text) not in known:
                    found.setdefault(leak_key(text), text)
        return list(found.values())

    def _folder(self, path: Path) -> _Folder:
        place = path.resolve()
        if place not in self._folders:
            ids, queries = read_collection(path)
            texts = list(ids.values())
            self.problems += self._of_passages(path / "corpus.jsonl", texts)
            rows = [row for row, text in enumerate(texts) if text]
            kept = {row: number for number, row in enumerate(rows)}
            self._folders[place] = _Folder(path, tuple(texts[row] for row in rows), kept, ids, queries)
        return self._folders[place]

    def _of_passages(self, file: Path, texts: Sequence[str]) -> list[Problem]:
        found = [Problem("empty", str(file), row) for row, text in enumerate(texts, start=1) if not text]
        if self.settings.action("duplicate") == "refuse":
            seen = set[str]()
            for row, text in enumerate(texts, start=1):
                if text in seen and text:
                    found.append(Problem("duplicate", str(file), row))
                seen.add(text)
        return found


def _relevant(grades: Mapping[int, int]) -> bool:
    return any(grade > 0 for grade in grades.values())


def _drawn(texts: Sequence[str], low: float, high: float) -> list[str]:
    """The queries that a split gets, by content: a query keeps its split whatever else is in the file."""

    def place(text: str) -> float:
        return int.from_bytes(hashlib.blake2b(leak_key(text).encode(), digest_size=8).digest()) / 2**64

    return [text for text in texts if low <= place(text) < high]


def _said(problem: Problem) -> str:
    return f"{problem.file}, row {problem.row} {WORDS[problem.kind]}"


def _check_enough(rankings: Rankings) -> None:
    for name, one in rankings.splits.items():
        if len(one.queries) < LEAST_QUERIES:
            raise InputError(f"{name} has {len(one.queries)} usable queries; at least {LEAST_QUERIES} are needed")
        if not any(map(_relevant, one.relevance)):
            raise InputError(f"no query of {name} has a relevant document; a score above 0 in qrels/ is needed")
