"""Distinct texts come out in order, and whatever is left out is named and counted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from decant.errors import InputError
from pipeline.texts.sentences import Sentences, SentenceSource, first_texts, load_sentences
from pipeline.texts.source import DATA_VARIABLE, Source, data_folder, local_file, source_digest
from tests.tiny_runs import write_tsv

TEXTS = ["naïve café ☕", 'he said "yes"', "null", "a, b"]


def write_lines(folder: Path, content: bytes) -> SentenceSource:
    (folder / "texts.txt").write_bytes(content)
    return SentenceSource(path="texts.txt")


def load(folder: Path, *sources: dict[str, Any] | SentenceSource, **options: Any) -> Sentences:
    read = [SentenceSource.model_validate(source) for source in sources]
    return load_sentences(read, folder, options.pop("problems", {}), **options)


def as_txt(folder: Path) -> Path:
    (folder / "a.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return folder / "a.txt"


def as_windows_txt(folder: Path) -> Path:
    (folder / "a.txt").write_text("\r\n".join(TEXTS), encoding="utf-8-sig", newline="")
    return folder / "a.txt"


def as_tsv(folder: Path) -> Path:
    return write_tsv(folder / "a.tsv", [(text,) for text in TEXTS], ("text",))


def as_parquet(folder: Path) -> Path:
    pq.write_table(pa.table({"text": TEXTS}), folder / "a.parquet")
    return folder / "a.parquet"


def as_folder(folder: Path) -> Path:
    as_txt(folder).rename(folder / "train.txt")
    return folder


@pytest.mark.parametrize("write", [as_txt, as_windows_txt, as_tsv, as_parquet, as_folder])
def test_every_format_gives_the_same_texts(write: Callable[[Path], Path], tmp_path: Path) -> None:
    assert load(tmp_path, SentenceSource(path=str(write(tmp_path)))) == Sentences(TEXTS, [])


def test_all_columns_are_taken_in_the_order_of_the_rows(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", [("one", "two", "5"), ("two", "three", "1")])
    write_tsv(tmp_path / "b.tsv", [("four",), ("one",)], ("caption",))
    pairs = {"path": "a.tsv", "columns": ("sentence2", "sentence1")}
    sentences = load(tmp_path, pairs, {"path": "b.tsv", "columns": ["caption"]})
    assert sentences.texts == ["two", "one", "three", "four"]
    assert [(one.kind, Path(one.file).name, one.row, one.detail) for one in sentences.dropped] == [
        ("duplicate", "a.tsv", 2, "sentence1"),
        ("duplicate", "b.tsv", 2, ""),
    ]


def test_white_space_is_folded_before_texts_are_compared(tmp_path: Path) -> None:
    source = write_lines(tmp_path, "  two\twords \ntwo\u00a0\u2003words\nTwo words\n".encode())
    sentences = load(tmp_path, source)
    assert sentences.texts == ["two words", "Two words"]
    assert sentences.dropped_counts() == {"duplicate": 1}


def test_limit_takes_the_first_rows_of_one_source(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", [("a", "b", ""), ("a", "c", ""), ("d", "e", "")])
    both = ("sentence1", "sentence2")
    limited = {"path": "a.tsv", "columns": both, "limit": 2}
    assert load(tmp_path, limited).texts == ["a", "b", "c"]
    assert load(tmp_path, limited, {"path": "a.tsv", "columns": both}).texts == ["a", "b", "c", "d", "e"]


def test_held_out_texts_are_leaks_in_any_case_and_white_space(tmp_path: Path) -> None:
    source = write_lines(tmp_path, "a STRASSE\nA  straße\na dog\nstraße\n".encode())
    sentences = load(tmp_path, source, exclude={" A\tStraße", "cat"})
    assert sentences.texts == ["a dog", "straße"]
    assert [(one.kind, one.row) for one in sentences.dropped] == [("leak", 1), ("leak", 2)]
    with pytest.raises(InputError, match="row 1 stands in a held-out set too.*{leak: drop}"):
        load(tmp_path, source, exclude=["a strasse"], problems={"leak": "refuse"})


@pytest.mark.parametrize(
    ("line", "kind", "said"), [(b" \t ", "empty", "has an empty text"), (b"caf\xe9", "encoding", "is not UTF-8")]
)
def test_a_bad_text_is_refused_unless_it_is_dropped(line: bytes, kind: str, said: str, tmp_path: Path) -> None:
    source = write_lines(tmp_path, b"one\n" + line + b"\ntwo")
    with pytest.raises(InputError, match=rf"texts.txt, row 2 {said}\. Mend .*texts.problems to {{{kind}: drop}}"):
        load(tmp_path, source)
    sentences = load(tmp_path, source, problems={kind: "drop"})
    assert sentences.texts == ["one", "two"]
    assert sentences.dropped_counts() == {kind: 1}


def test_bad_texts_are_named_by_column_and_counted(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", [("a", ""), *[("", f"b{i}") for i in range(7)]], ("one", "two"))
    with pytest.raises(InputError, match=r"row 1, column two has an empty text; .*row 5, column one .*; and 3 texts m"):
        load(tmp_path, {"path": "a.tsv", "columns": ["one", "two"]})


def test_repeats_can_be_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 2 repeats an earlier text"):
        load(tmp_path, write_lines(tmp_path, b"a\na\n"), problems={"duplicate": "refuse"})


def test_nothing_left(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"texts.txt: no text is left \(left out: leak 2\)"):
        load(tmp_path, write_lines(tmp_path, b"a\nA\n"), exclude=["a"])


def test_no_sources_no_sentences(tmp_path: Path) -> None:
    assert load(tmp_path) == Sentences([], [])


@pytest.mark.parametrize(
    ("content", "said"), [(b" \n\n", "is empty; a text a line is needed"), (b"a\0b", "is a binary file")]
)
def test_a_file_without_lines(content: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"texts.txt {said}"):
        load(tmp_path, write_lines(tmp_path, content))


def test_lines_have_one_column(tmp_path: Path) -> None:
    source = write_lines(tmp_path, b"a\n").model_copy(update={"columns": ("caption",)})
    with pytest.raises(InputError, match="no column 'caption'; it has 'text'"):
        load(tmp_path, source)


def test_lines_are_no_pairs(tmp_path: Path) -> None:
    write_lines(tmp_path, b"a\n")
    with pytest.raises(InputError, match=r"cannot read '.txt'; give one of .tsv, .csv, .jsonl, .parquet$"):
        local_file(Source(path="texts.txt"), tmp_path)


def test_data_alone_is_a_file_of_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    as_txt(tmp_path)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    source = SentenceSource(data="a.txt")
    assert load(tmp_path / "elsewhere", source).texts == TEXTS
    assert source_digest(source, tmp_path) == source_digest(SentenceSource(path="a.txt"), tmp_path)
    with pytest.raises(InputError, match=r"data: b.txt is not there; .* has no such file"):
        load(tmp_path, SentenceSource(data="b.txt"))


def test_data_alone_without_a_data_folder(without_data: None, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"data: a.txt is not there; set {DATA_VARIABLE}"):
        load(tmp_path, SentenceSource(data="a.txt"))


@pytest.mark.parametrize(
    "given", [{}, {"path": "a", "hub": "b"}, {"path": "a", "columns": []}, {"path": "a", "limit": 0}]
)
def test_settings_that_say_nothing(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give either path|at least 1|greater than or equal to 1"):
        SentenceSource.model_validate(given)


PUBLIC = {
    "flickr8k/train.tsv": ["caption"],
    "wordnet/glosses.tsv": ["definition"],
    "stsb/train.tsv": ["sentence1", "sentence2"],
    "snli/train.tsv": ["sentence1", "sentence2"],
    "mrpc/train.tsv": ["sentence1", "sentence2"],
    "qnli/train.tsv": ["sentence1", "sentence2"],
    "sst2/train.tsv": ["text"],
    "trec/train.tsv": ["text"],
    "mr/all.tsv": ["text"],
    "cr/all.tsv": ["text"],
    "mpqa/all.tsv": ["text"],
    "subj/all.tsv": ["text"],
}


@pytest.mark.parametrize("file", PUBLIC)
def test_public_sets_load_as_a_plain_reading_gives_them(file: str, tmp_path: Path) -> None:
    folder = data_folder()
    if folder is None or not (folder / file).is_file():
        pytest.skip(f"{file} is not in the folder of public sets; set {DATA_VARIABLE} to one that has it")
    header, *rows = [line.split("\t") for line in (folder / file).read_text(encoding="utf-8").split("\n")[:1001]]
    columns = [header.index(name) for name in PUBLIC[file]]
    expected = dict.fromkeys(" ".join(row[column].split()) for row in rows for column in columns)
    sentences = load(tmp_path, {"data": file, "columns": PUBLIC[file], "limit": 1000})
    assert sentences.texts == list(expected)
    assert sentences.dropped_counts().get("duplicate", 0) == len(rows) * len(columns) - len(expected)


def test_the_first_texts_of_each_source(tmp_path: Path) -> None:
    as_txt(tmp_path)
    write_tsv(tmp_path / "b.tsv", [("one  two", "three"), ("four", "five")], ("left", "right"))
    sources = [SentenceSource(path="a.txt"), SentenceSource(path="b.tsv", columns=("left", "right"))]
    assert first_texts(sources, tmp_path, 1) == [TEXTS[0], "one two", "three"]
