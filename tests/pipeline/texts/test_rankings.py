from pathlib import Path
from typing import Any

import pytest

from decant.errors import InputError
from pipeline.texts.load import load_texts, pair_texts, read_texts, save_texts
from pipeline.texts.rankings import Rankings
from pipeline.texts.settings import TextsSettings
from tests.ranking_data import SPLITS, texts_of, write_beir, write_found

PASSAGES = ["red house", "blue house", "green river", "white river", "black dog", "young dog"]
QUERIES = ["red", "blue", "green", "white", "black", "young", "unread", "Red"]
QRELS: dict[str, list[tuple[int, int, int]]] = {
    "train": [(0, 0, 1), (1, 1, 2), (1, 3, 0)], "dev": [(2, 2, 1), (3, 3, 1)], "test": [(4, 4, 1), (5, 5, 3), (5, 4, 1)]
}  # fmt: skip


def settings(**more: Any) -> TextsSettings:
    splits = {name: {"path": "found", "split": name} for name in ("train", "dev", "test")}
    return TextsSettings.model_validate({"task": {"kind": "ranking"}, **splits} | more)


def read(folder: Path, **more: Any) -> Rankings:
    found = load_texts(settings(**more), folder).rankings
    assert found is not None
    return found


def test_splits_hold_their_queries_and_the_same_passages(tmp_path: Path) -> None:
    write_beir(tmp_path / "found", PASSAGES, QUERIES, QRELS)
    texts = load_texts(settings(), tmp_path)
    found = texts.rankings
    assert found is not None
    assert found.train.queries == ("red", "blue")
    assert found.train.relevance == ({0: 1}, {1: 2, 3: 0})
    assert found.test.relevance == ({4: 1}, {5: 3, 4: 1})
    assert found.train.documents is found.test.documents
    assert list(texts.train.pairs) == [("red", "red house"), ("blue", "blue house")]
    assert texts.train.labels.tolist() == [1, 2]
    assert set(pair_texts(texts)) == {"red", "blue", *PASSAGES}


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    write_found(tmp_path)
    texts = load_texts(settings(), tmp_path)
    (tmp_path / "saved").mkdir()
    save_texts(texts, tmp_path / "saved")
    again = read_texts(tmp_path / "saved")
    assert again.rankings == texts.rankings
    assert again.rankings is not None
    assert again.rankings.dev.documents is again.rankings.train.documents
    assert list(again.test.pairs) == list(texts.test.pairs)


def test_a_split_of_another_folder_has_its_own_passages(tmp_path: Path) -> None:
    write_beir(tmp_path / "found", PASSAGES, QUERIES, QRELS)
    other = [(0, 1, 1), (1, 0, 2)]
    write_beir(tmp_path / "other", ["one passage", "another one"], ["which", "what"], {"held": other})
    texts = load_texts(settings(test={"path": "other", "split": "held"}), tmp_path)
    (tmp_path / "saved").mkdir()
    save_texts(texts, tmp_path / "saved")
    again = read_texts(tmp_path / "saved").rankings
    assert again == texts.rankings
    assert again is not None
    assert again.test.documents == ("one passage", "another one")
    assert again.test.relevance == ({1: 1}, {0: 2})
    assert again.train.documents == tuple(PASSAGES)


def test_dev_and_test_that_are_not_given_are_drawn_by_content(tmp_path: Path) -> None:
    passages, queries = texts_of()
    judged = [(row, row, 1) for row in range(40)]
    write_beir(tmp_path / "found", passages, queries, {"train": judged})
    found = read(tmp_path, dev=None, test=None, dev_share=0.3, test_share=0.3)
    parts = [set(one.queries) for one in found.splits.values()]
    assert set().union(*parts) == set(queries)
    assert sum(map(len, parts)) == 40
    (tmp_path / "other").mkdir()
    write_beir(tmp_path / "other" / "found", passages[::-1], queries[::-1], {"train": [(r, r, 1) for r in range(40)]})
    again = read(tmp_path / "other", dev=None, test=None, dev_share=0.3, test_share=0.3)
    assert set(again.test.queries) == parts[2]


def test_queries_of_one_text_are_one_and_their_judgements_are_joined(tmp_path: Path) -> None:
    train = [(0, 0, 1), (1, 1, 1), (6, 3, 2)]
    write_beir(tmp_path / "found", PASSAGES, [*QUERIES[:6], "red"], QRELS | {"train": train})
    texts = load_texts(settings(), tmp_path)
    assert texts.rankings is not None
    assert texts.rankings.train.relevance == ({3: 2, 0: 1}, {1: 1})
    assert texts.dropped_counts() == {"duplicate": 1}
    assert texts.dropped[0].row == 7
    with pytest.raises(InputError, match=r"queries.jsonl, row 7 repeats an earlier text"):
        load_texts(settings(problems={"duplicate": "refuse"}), tmp_path)


def test_a_train_query_that_stands_in_test_in_other_case_is_a_leak(tmp_path: Path) -> None:
    train = [*QRELS["train"], (6, 2, 1), (7, 0, 1)]
    test = [*QRELS["test"], (0, 0, 1)]
    write_beir(tmp_path / "found", PASSAGES, QUERIES, QRELS | {"train": train, "test": test})
    texts = load_texts(settings(), tmp_path)
    assert texts.rankings is not None
    assert texts.rankings.train.queries == ("blue", "unread")
    assert texts.dropped_counts() == {"leak": 2}
    assert [problem.row for problem in texts.dropped] == [1, 8]
    with pytest.raises(InputError, match=r"queries.jsonl, row 1 stands in dev or test too; .*leak: drop"):
        load_texts(settings(problems={"leak": "refuse"}), tmp_path)


def test_too_few_queries_are_refused(tmp_path: Path) -> None:
    write_beir(tmp_path / "found", PASSAGES, QUERIES, QRELS | {"train": [(0, 0, 1)]})
    with pytest.raises(InputError, match="train has 1 usable queries; at least 2 are needed"):
        read(tmp_path)


def test_empty_passages_are_refused_or_dropped_with_their_judgements(tmp_path: Path) -> None:
    train = [*QRELS["train"], (0, 2, 1)]
    write_beir(tmp_path / "found", [*PASSAGES[:2], " ", *PASSAGES[2:]], QUERIES, {
        "train": train, "dev": [(2, 3, 1), (3, 4, 1)], "test": [(4, 5, 1), (5, 6, 3)]
    })  # fmt: skip
    with pytest.raises(InputError, match=r"corpus.jsonl, row 3 has an empty text. Mend the file, or set"):
        read(tmp_path)
    found = read(tmp_path, problems={"empty": "drop"})
    assert found.train.documents == tuple(PASSAGES)
    assert found.train.relevance[0] == {0: 1}
    assert found.test.relevance == ({4: 1}, {5: 3})


def test_an_empty_query_is_refused_or_dropped(tmp_path: Path) -> None:
    write_beir(tmp_path / "found", PASSAGES, [*QUERIES, ""], QRELS | {"train": [*QRELS["train"], (8, 0, 1)]})
    with pytest.raises(InputError, match=r"queries.jsonl, row 9 has an empty text"):
        read(tmp_path)
    assert read(tmp_path, problems={"empty": "drop"}).train.queries == ("red", "blue")


def test_doubled_passages_are_refused_where_the_recipe_says_so_and_else_stay(tmp_path: Path) -> None:
    write_beir(tmp_path / "found", [*PASSAGES, "red house"], QUERIES, QRELS)
    assert len(read(tmp_path).train.documents) == 7
    with pytest.raises(InputError, match=r"corpus.jsonl, row 7 repeats an earlier text"):
        read(tmp_path, problems={"duplicate": "refuse"})


def test_an_unknown_id_is_refused_by_file_and_line(tmp_path: Path) -> None:
    write_beir(tmp_path / "found", PASSAGES, QUERIES, QRELS | {"train": [(0, 0, 1), (1, 60, 1)]})
    with pytest.raises(InputError, match=r"qrels/train.tsv:3: 'd60' is not an _id of corpus.jsonl"):
        read(tmp_path)


def test_no_relevant_passage_at_all_is_refused(tmp_path: Path) -> None:
    write_beir(tmp_path / "found", PASSAGES, QUERIES, QRELS | {"dev": [(2, 2, 0), (3, 3, 0)]})
    with pytest.raises(InputError, match="no query of dev has a relevant document"):
        read(tmp_path)


def test_queries_without_judgements_are_those_that_no_split_has(tmp_path: Path) -> None:
    write_beir(tmp_path / "found", PASSAGES, QUERIES, QRELS)
    found = read(tmp_path, unlabelled=[{"path": "found"}])
    assert found.train.queries == ("red", "blue", "unread")  # Red is red
    assert found.train.relevance[2] == {}
    write_beir(tmp_path / "elsewhere", PASSAGES, QUERIES, QRELS)
    with pytest.raises(InputError, match=r"texts.unlabelled.0: .*name the same folder"):
        read(tmp_path, unlabelled=[{"path": "elsewhere"}])


def test_a_limit_takes_the_first_queries(tmp_path: Path) -> None:
    write_found(tmp_path)
    assert read(tmp_path, limit=10).train.queries == tuple(texts_of()[1][:10])
    assert len(SPLITS["train"]) == 24


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"train": None}, "give texts.train"),
        ({"train": {"hub": "BeIR/scifact"}}, "train: task kind ranking reads a folder in BEIR's layout"),
        ({"test": {"path": "found", "quoting": "csv"}}, "test: config, rename and quoting do not go with"),
        ({"dev": {"path": "found", "split": "../../x"}}, "dev.split: '../../x' names no file"),
        ({"columns": {"first": "question"}}, "columns: rankings have none"),
        ({"problems": {"label": "drop"}}, "rankings know empty, duplicate and leak, but not label"),
        ({"task": {"kind": "ranking", "low": 0}}, "low, high and classes do not go with kind: ranking"),
    ],
)
def test_what_a_ranking_does_not_have_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        settings(**more)
