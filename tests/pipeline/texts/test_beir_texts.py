"""Texts of a retrieval set: what its train split judges, and nothing that another split needs."""

import json
from pathlib import Path

import pytest

from pipeline.recipe.recipe import Recipe
from pipeline.texts.sentences import SentenceSource, load_sentences


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "set"
    (found / "qrels").mkdir(parents=True)
    documents = [("d1", "A title", "one"), ("d2", "", "two"), ("d3", "", "three"), ("d4", "", "four")]
    rows = [{"_id": key, "title": title, "text": text} for key, title, text in documents]
    (found / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows = [{"_id": f"q{number}", "text": f"query {number}"} for number in range(4)]
    (found / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    header = "query-id\tcorpus-id\tscore\n"
    (found / "qrels" / "train.tsv").write_text(header + "q0\td1\t1\nq0\td2\t2\nq1\td3\t0\n")
    (found / "qrels" / "test.tsv").write_text(header + "q2\td2\t1\nq3\td4\t1\n")
    return found


def _texts(folder: Path, **settings: object) -> list[str]:
    source = SentenceSource.model_validate({"path": str(folder), **settings})
    return load_sentences([source], folder, {}).texts


def test_queries_and_passages_of_a_split_that_no_other_needs(folder: Path) -> None:
    assert _texts(folder, columns=["query"]) == ["query 0"]
    assert _texts(folder, columns=["query", "passage"]) == ["query 0", "A title one"]
    assert _texts(folder, columns=["passage"], split="test") == ["four"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"columns": ["text"]}, "its columns are query and passage, not text"),
        ({"columns": ["query"], "split": "dev"}, "no qrels/dev.tsv; its splits are test, train"),
    ],
)
def test_what_it_does_not_have_is_refused(folder: Path, settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _texts(folder, **settings)


def test_a_bad_judgement_has_its_line(folder: Path) -> None:
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td1\n")
    with pytest.raises(ValueError, match=r"train.tsv:2: 'q0\\td1' is no judgement"):
        _texts(folder, columns=["query"])


def test_a_set_is_no_source_of_pairs(folder: Path) -> None:
    texts = {"task": {"kind": "regression"}, "train": str(folder), "test": str(folder)}
    recipe = Recipe.model_validate(
        {"name": "a", "texts": texts, "student": {"model": "m"}, "embedding": {"teachers": [{"model": "m"}]}}
    )
    from pipeline.texts.source import local_file

    with pytest.raises(ValueError, match="no train in it"):
        local_file(recipe.texts.train, folder)
