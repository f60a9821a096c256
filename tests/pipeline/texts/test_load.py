"""Problems are named by file and row, counted, refused or dropped; splits do not depend on what else is there."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from decant.errors import InputError
from pipeline.texts.load import Texts, load_texts, read_texts, save_texts
from pipeline.texts.settings import TextsSettings
from tests.tiny_runs import pairs, write_tsv

TEST = [("t one", "t two", "0"), ("t three", "t four", "5"), ("t five", "t six", "2")]
DEV = [("d one", "d two", "0"), ("d three", "d four", "5")]
TRAIN = [("a", "b", "0"), ("c", "d", "5"), ("e", "f", "2.5")]


def settings(**changes: Any) -> TextsSettings:
    given = {
        "task": {"kind": "regression", "low": 0, "high": 5}, "train": "train.tsv", "dev": "dev.tsv",
        "test": "test.tsv",
    }  # fmt: skip
    return TextsSettings.model_validate(given | changes)


def load(folder: Path, train: list[tuple[str, ...]], test: list[tuple[str, ...]] = TEST, **changes: Any) -> Texts:
    for name, rows in {"train": train, "dev": DEV, "test": test}.items():
        write_tsv(folder / f"{name}.tsv", rows)
    return load_texts(settings(**changes), folder)


def test_labels_are_scaled_to_0_and_1(tmp_path: Path) -> None:
    texts = load(tmp_path, TRAIN)
    assert texts.train.pairs == [("a", "b"), ("c", "d"), ("e", "f")]
    assert texts.train.labels.dtype == np.float32
    assert texts.train.labels.tolist() == [0, 1, 0.5]
    assert texts.label_range == (0, 5)
    assert texts.dropped == []


def test_duplicates_and_leaks_are_dropped_and_named(tmp_path: Path) -> None:
    leaks = [("t two", "t one", "1"), ("d three", "d four", "5")]
    texts = load(tmp_path, [*TRAIN, TRAIN[0], *leaks])
    assert texts.train.pairs == [pair[:2] for pair in TRAIN]
    file = tmp_path / "train.tsv"
    assert [str(problem) for problem in texts.dropped] == [
        f"{file}, row 4 repeats an earlier pair",
        f"{file}, row 5 stands in dev or test too",
        f"{file}, row 6 stands in dev or test too",
    ]
    assert texts.dropped_counts() == {"duplicate": 1, "leak": 2}


def test_a_benchmarks_own_repeats_stay(tmp_path: Path) -> None:
    assert len(load(tmp_path, TRAIN, [*TEST, TEST[0]]).test) == 4


@pytest.mark.parametrize(
    ("row", "kind", "said"),
    [
        (("", "x", "1"), "empty", "row 4 has an empty text"),
        (("x", " ", "1"), "empty", "row 4 has an empty text"),
        (("x", "y", "word"), "label", r"row 4 has a label that cannot be read \('word'\)"),
        (("x", "y", "6"), "label_range", r"row 4 has a label out of range \('6'\)"),
        (("x", "y\ufffd", "1"), "encoding", "row 4 is not UTF-8"),
    ],
)
def test_a_bad_row_is_refused_unless_the_recipe_drops_it(
    row: tuple[str, ...], kind: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(
        InputError, match=rf"train.tsv, {said}\. Mend the file, or set texts.problems to {{{kind}: drop}}"
    ):
        load(tmp_path, [*TRAIN, row])
    texts = load(tmp_path, [*TRAIN, row], problems={kind: "drop"})
    assert len(texts.train) == 3
    assert [(problem.kind, problem.row) for problem in texts.dropped] == [(kind, 4)]


@pytest.mark.parametrize("kind", ["duplicate", "leak"])
def test_what_is_dropped_can_be_refused(kind: str, tmp_path: Path) -> None:
    row = TRAIN[0] if kind == "duplicate" else TEST[0]
    with pytest.raises(InputError, match="train.tsv, row 4 "):
        load(tmp_path, [*TRAIN, row], problems={kind: "refuse"})


def test_a_bad_row_of_test_counts_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"test.tsv, row 4 has an empty text"):
        load(tmp_path, TRAIN, [*TEST, ("", "x", "1")])


def test_test_pairs_are_drawn_from_train_by_content(tmp_path: Path) -> None:
    rows = pairs("regression", 400, 7)

    def drawn(train: list[tuple[str, str, str]], **changes: Any) -> Texts:
        write_tsv(tmp_path / "train.tsv", train)
        return load_texts(settings(dev=None, test=None, **changes), tmp_path)

    few, many = drawn(rows[:200]), drawn(rows[::-1])
    assert set(few.test.pairs) == set(many.test.pairs) & {(a, b) for a, b, _ in rows[:200]}
    splits = [set(split.pairs) for split in (many.train, many.dev, many.test)]
    assert sum(map(len, splits)) == len(set.union(*splits)) == len({(a, b) for a, b, _ in rows})
    assert len(many.test) == pytest.approx(80, abs=25)
    assert len(many.dev) == pytest.approx(40, abs=20)
    assert many.label_range == (0, 5)
    labels = {(a, b): float(label) / 5 for a, b, label in rows}
    assert [labels[pair] for pair in many.test.pairs] == pytest.approx(many.test.labels.tolist())
    larger = drawn(rows, test_share=0.5)
    assert set(larger.test.pairs) > set(many.test.pairs)
    assert set(larger.dev.pairs) == set(many.dev.pairs)


def test_held_back_pairs_stay_the_same_when_rows_are_added(tmp_path: Path) -> None:
    rows = pairs("regression", 300, 7)
    few = load(tmp_path, rows[:150], dev=None, dev_share=0.2)
    many = load(tmp_path, rows[::-1], dev=None, dev_share=0.2)
    assert set(few.dev.pairs) == set(many.dev.pairs) & {(a, b) for a, b, _ in rows[:150]}
    assert len(many.dev) == pytest.approx(60, abs=20)
    assert not set(many.dev.pairs) & set(many.train.pairs)
    assert len(many.dev) + len(many.train) == len({(a, b) for a, b, _ in rows})


def test_the_range_is_trains_unless_given(tmp_path: Path) -> None:
    rows = [("a", "b", "-1"), ("c", "d", "7"), ("e", "f", "1")]
    texts = load(
        tmp_path, rows, [*TEST, ("v", "w", "8")], task={"kind": "regression"}, problems={"label_range": "drop"}
    )
    assert texts.label_range == (-1, 7)
    assert texts.train.labels.tolist() == [0, 1, 0.25]
    assert [(problem.row, problem.detail) for problem in texts.dropped] == [(4, "'8'")]


def test_a_range_of_one_number_is_no_range(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="column 'label' holds no range of numbers"):
        load(tmp_path, [("a", "b", "1"), ("c", "d", "1")], task={"kind": "regression"})


def test_unlabelled_pairs_are_new_ones_only(tmp_path: Path) -> None:
    more = [("n", "m"), ("b", "a"), ("t one", "t two"), ("n", "m")]
    write_tsv(tmp_path / "more.tsv", more, ("sentence1", "sentence2"))
    texts = load(tmp_path, TRAIN, unlabelled=["more.tsv"])
    assert texts.unlabelled.pairs == [("n", "m")]
    assert np.isnan(texts.unlabelled.labels).all()
    assert texts.dropped_counts() == {"duplicate": 1, "leak": 1}


def test_limit_takes_the_first_rows_of_train(tmp_path: Path) -> None:
    texts = load(tmp_path, pairs("regression", 40, 1), limit=10)
    assert len(texts.train) == 10
    assert len(texts.test) == 3


def test_saved_texts_come_back(tmp_path: Path) -> None:
    write_tsv(tmp_path / "more.tsv", [("n", "m")], ("sentence1", "sentence2"))
    texts = load(tmp_path, [*TRAIN, TRAIN[0]], unlabelled=["more.tsv"])
    save_texts(texts, tmp_path / "saved")
    back = read_texts(tmp_path / "saved")
    for name in ("train", "dev", "test", "unlabelled"):
        assert getattr(back, name).pairs == getattr(texts, name).pairs
        np.testing.assert_array_equal(getattr(back, name).labels, getattr(texts, name).labels)
        assert getattr(back, name).labels.dtype == np.float32
    assert back.label_range == texts.label_range
    assert back.dropped == texts.dropped


def test_a_split_of_one_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"every label of test is the same \(0.4\)"):
        load(tmp_path, TRAIN, [("x", "y", "2"), ("v", "w", "2")])


def test_pairs_to_train_on_are_mapped_from_files(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    rows = [*TRAIN, ("c", "d", "1"), ("d", "c", "2")]
    texts = load(tmp_path, rows)
    write_tsv(tmp_path / "more.tsv", [("a", "b", ""), ("d", "c", ""), ("x", "y", ""), ("x", "y", ""), ("y", "x", "")])
    mapped = load_texts(settings(unlabelled=["more.tsv"]), tmp_path, tmp_path / "work")
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["train.arrow", "unlabelled.arrow"]
    assert mapped.train.pairs == texts.train.pairs == [("a", "b"), ("c", "d"), ("e", "f"), ("d", "c")]
    assert mapped.unlabelled.pairs == [("x", "y"), ("y", "x")]
    save_texts(mapped, tmp_path / "work")
    found = read_texts(tmp_path / "work")
    assert found.train.pairs == mapped.train.pairs
    np.testing.assert_array_equal(found.train.labels, mapped.train.labels)
    assert (found.dev.pairs, found.test.pairs) == (mapped.dev.pairs, mapped.test.pairs)
    assert found.dropped == mapped.dropped


def test_texts_of_a_run_before_they_were_mapped_are_read(tmp_path: Path) -> None:
    texts = load(tmp_path, TRAIN)
    save_texts(texts, tmp_path / "run")
    for name in ("train", "unlabelled"):
        split = getattr(texts, name)
        columns = {"first": [a for a, _ in split.pairs], "second": [b for _, b in split.pairs], "label": split.labels}
        pq.write_table(pa.table(columns), tmp_path / "run" / f"{name}.parquet")
        (tmp_path / "run" / f"{name}.arrow").unlink()
    assert read_texts(tmp_path / "run").train.pairs == texts.train.pairs


WORDS = [("a", "b", "low"), ("c", "d", "high"), ("e", "f", "low")]
SCALE = {"kind": "regression", "low": 0, "high": 5}
CLASSES = {"kind": "multiclass", "classes": ["1", "2", "3"]}
NUMBER = r"a label of kind: regression is a number{}, written in digits 0 to 9 with a point, such as 2\.5"


@pytest.mark.parametrize(
    ("rows", "task", "said"),
    [
        (
            WORDS,
            SCALE,
            r"row 1 has a label that cannot be read \('low'\); .*row 3 .*{label: drop}; "
            + NUMBER.format(" from 0 to 5"),
        ),
        (
            WORDS,
            {"kind": "regression"},
            r"no range of numbers to take low and high from; row 1 has 'low', but "
            + NUMBER.format("")
            + ": for words take kind: binary or multiclass",
        ),
        (
            [*TRAIN, ("g", "h", "low"), ("i", "j", "1_0"), ("k", "l", "٤")],
            {"kind": "regression"},
            r"row 4 .*\('low'\); .*row 5 .*\('1_0'\); .*row 6 .*\('٤'\)\. .*" + NUMBER.format(" from 0 to 5"),
        ),
        (
            [("a", "b", "1"), ("c", "d", "1.0"), ("e", "f", "1.5"), ("g", "h", "two")],
            CLASSES,
            r"row 3 has a label out of range \('1\.5'\); .*row 4 .*\('two'\)\. .*{label_range: drop}; a label of kind: "
            "multiclass is the name of a class: '1', '2', '3'; row 1 is the first of the data, not the header$",
        ),
        (
            [("a", "b", "x")],
            CLASSES | {"classes": [str(number) for number in range(30)]},
            r"is the name of a class: '0', .*'9', … \(30 in all\); row 1 is the first of the data, not the header$",
        ),
    ],
)
def test_labels_of_another_kind_are_told_with_what_is_allowed(
    rows: list[tuple[str, ...]], task: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        load(tmp_path, rows, [("t one", "t two", "1"), ("t three", "t four", "2")], dev=None, task=task)
    assert len(str(caught.value).splitlines()) == 1


def test_what_a_label_may_be_is_not_said_of_other_problems(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\{empty: drop\}; row 1 is the first of the data, not the header$"):
        load(tmp_path, [*TRAIN, ("", "x", "1")])


def test_labels_of_jsonl_and_parquet_are_read_by_the_same_rules(tmp_path: Path) -> None:
    pairs_of = {"sentence1": ["a", "c", "e"], "sentence2": ["b", "d", "f"]}
    for name, rows in {"dev": DEV, "test": TEST}.items():
        write_tsv(tmp_path / f"{name}.tsv", rows)
    pq.write_table(pa.table({**pairs_of, "label": pa.array([0.0, 5.0, 2.5], pa.float32())}), tmp_path / "good.parquet")
    lines = ['"label": 0', '"label": 5e0', '"label": "2.50"']
    (tmp_path / "good.jsonl").write_text(
        "".join(f'{{"sentence1": "{a}", "sentence2": "x", {one}}}\n' for a, one in zip("ace", lines, strict=True))
    )
    for file in ("good.parquet", "good.jsonl"):
        assert load_texts(settings(train=file), tmp_path).train.labels.tolist() == [0, 1, 0.5]
    for file, label in (("nan.parquet", float("nan")), ("inf.parquet", float("inf"))):
        pq.write_table(pa.table({**pairs_of, "label": [0.0, 5.0, label]}), tmp_path / file)
        with pytest.raises(InputError, match=rf"{file}, row 3 has a label that cannot be read \('{label}'\)"):
            load_texts(settings(train=file), tmp_path)
    pq.write_table(pa.table({**pairs_of, "label": [True, False, True]}), tmp_path / "bool.parquet")
    with pytest.raises(InputError, match=r"bool\.parquet, row 1 has a label that cannot be read \('True'\)"):
        load_texts(settings(train="bool.parquet"), tmp_path)
    (tmp_path / "bool.jsonl").write_text('{"sentence1": "a", "sentence2": "b", "label": true}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"bool\.jsonl, row 1 has a label that cannot be read \('True'\)"):
        load_texts(settings(train="bool.jsonl"), tmp_path)
