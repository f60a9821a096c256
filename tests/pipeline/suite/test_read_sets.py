from pathlib import Path

import pytest

from decant.errors import InputError
from pipeline.measure.retrieval import RetrievalSet
from pipeline.suite.read_sets import Examples, read_sets, sets_digest
from pipeline.suite.settings import Suite
from pipeline.suite.suite_file import read_suite
from pipeline.texts.source import DATA_VARIABLE
from tests.suite_data import write_ranking, write_suite
from tests.tiny_runs import write_tsv


def read(content: dict[str, object], base: Path) -> None:
    read_sets(Suite.model_validate({"sets": content}).sets, base)


def test_every_kind_is_read_whole(tmp_path: Path) -> None:
    path, _ = write_suite(tmp_path)
    found = {one.name: one for one in read_sets(read_suite(path), tmp_path)}
    assert list(found) == ["alike", "same", "found", "folds", "fitted", "paired"]
    ranking, fitted = found["found"].content, found["fitted"].content
    assert isinstance(ranking, RetrievalSet)
    assert (len(ranking.documents), len(ranking.queries)) == (30, 10)
    assert isinstance(fitted, Examples)
    assert (fitted.fitted, len(fitted.labels), len(fitted.texts[0])) == (30, 70, 70)
    assert found["found"].texts == len(set(ranking.documents)) + len(set(ranking.queries))


def test_all_that_is_wrong_is_told_at_once_with_the_sets_name(tmp_path: Path) -> None:
    write_tsv(tmp_path / "one.tsv", [("a", "x"), ("b", "x")], ("text", "label"))
    write_tsv(tmp_path / "few.tsv", [("a", "x"), ("b", "y"), ("c", "y")], ("text", "label"))
    write_tsv(tmp_path / "none.tsv", [("a", "x"), ("b", "")], ("text", "label"))
    write_tsv(tmp_path / "pair.tsv", [("a", "b", "2"), ("a", "c", "2")])
    write_tsv(tmp_path / "binary.tsv", [("a", "b", "0"), ("a", "c", "maybe")])
    write_ranking(tmp_path / "unknown", ["a"], ["b"], [(0, 7, 1)])
    write_ranking(tmp_path / "nothing", ["a"], ["b"], [(0, 0, 0)])
    (write_ranking(tmp_path / "empty", ["a"], ["b"], [(0, 0, 1)]) / "corpus.jsonl").write_text("", encoding="utf-8")
    wrong = {
        "one": ({"kind": "classes", "source": "one.tsv"}, "a probe needs 2 or more"),
        "few": ({"kind": "classes", "source": "few.tsv"}, "has 1 examples, fewer than the 10 folds"),
        "none": ({"kind": "classes", "source": "none.tsv"}, "row 2 has no label"),
        "fit": ({"kind": "classes", "source": "few.tsv", "train": "one.tsv"}, "a probe needs 2 or more"),
        "pair": ({"kind": "pairs", "source": "pair.tsv"}, "every label is the same"),
        "binary": ({"kind": "pairs", "source": "binary.tsv", "task": "binary"}, "row 2: the label 'maybe' is none"),
        "unknown": ({"kind": "ranking", "path": "unknown"}, "'d7' is not an _id of corpus.jsonl"),
        "nothing": ({"kind": "ranking", "path": "nothing"}, "finds no document relevant"),
        "empty": ({"kind": "ranking", "path": "empty"}, "corpus.jsonl is empty"),
        "gone": ({"kind": "ranking", "path": "gone"}, "gone: no such folder"),
    }
    with pytest.raises(InputError) as raised:
        read({name: one for name, (one, _) in wrong.items()}, tmp_path)
    lines = str(raised.value).splitlines()
    assert len(lines) == len(wrong)
    for line, (name, (_, said)) in zip(lines, wrong.items(), strict=True):
        assert line.startswith(f"{name}: ")
        assert said in line


def test_a_set_that_is_not_there_is_named_with_the_variable(without_data: None, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"tldr: data: tldr is not there; set {DATA_VARIABLE}"):
        read({"tldr": {"kind": "ranking", "data": "tldr"}}, tmp_path)


def test_doubled_passages_are_counted(tmp_path: Path) -> None:
    write_ranking(tmp_path / "twice", ["a", "b", "a", "a"], ["q"], [(0, 3, 1)])
    sets = Suite.model_validate({"sets": {"twice": {"kind": "ranking", "path": "twice"}}}).sets
    (found,) = read_sets(sets, tmp_path)
    assert found.notes == [
        "twice: 2 of its 4 documents repeat another word for word; each counts, and of equal ones the first is found "
        "first."
    ]


def test_the_digest_changes_with_every_file_and_setting(tmp_path: Path) -> None:
    path, _ = write_suite(tmp_path)
    sets = read_suite(path)
    before = sets_digest(sets, tmp_path)
    with (tmp_path / "found" / "qrels" / "test.tsv").open("a", encoding="utf-8") as file:
        file.write("q0\td5\t1\n")
    with (tmp_path / "classed.tsv").open("a", encoding="utf-8") as file:
        file.write("w1 w2\tfirst\n")
    after = sets_digest(sets, tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"found", "folds", "fitted"}
