"""The same rows come out of every format, and of the hub."""

import codecs
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from decant.errors import InputError, TemporaryError
from pipeline.texts.source import DATA_VARIABLE, Source, data_folder, local_file, read_rows, source_digest

COLUMNS = ("first", "second", "label")
ROWS = [
    ("a, b and c", 'he said "yes"', "1.5"),
    ("null", "NA", "2"),
    ("naïve café ☕", "#N/A", "0"),
    ("nan", "距離", "5"),
    ("# no comment", "'single' quotes", "3"),
]
EXPECTED = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]


def write_tsv(folder: Path) -> Source:
    lines = ["\t".join(row) for row in [COLUMNS, *ROWS]]
    (folder / "rows.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Source(path="rows.tsv")


def write_csv(folder: Path) -> Source:
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in ROWS]
    (folder / "rows.csv").write_text("\r\n".join([",".join(COLUMNS), *quoted]) + "\r\n", encoding="utf-8-sig")
    return Source(path="rows.csv")


def write_jsonl(folder: Path) -> Source:
    lines = [json.dumps({**row, "label": json.loads(row["label"]), "unused": [1]}) for row in EXPECTED]
    (folder / "rows.jsonl").write_text("\n\n".join(lines), encoding="utf-8")
    return Source(path="rows.jsonl")


def write_parquet(folder: Path) -> Source:
    pq.write_table(pa.Table.from_pylist(EXPECTED), folder / "rows.parquet")
    return Source(path="rows.parquet")


def write_split_folder(folder: Path) -> Source:
    (folder / "set").mkdir()
    write_tsv(folder / "set")
    (folder / "set" / "rows.tsv").rename(folder / "set" / "validation.tsv")
    return Source(path="set", split="validation")


def write_saved_dataset(folder: Path) -> Source:
    datasets.Dataset.from_list(EXPECTED).save_to_disk(folder / "saved")
    return Source(path="saved")


def write_saved_splits(folder: Path) -> Source:
    whole = datasets.Dataset.from_list(EXPECTED)
    datasets.DatasetDict({"train": whole.select([0]), "dev": whole}).save_to_disk(folder / "saved")
    return Source(path="saved", split="dev")


FORMATS = [
    write_tsv, write_csv, write_jsonl, write_parquet, write_split_folder, write_saved_dataset, write_saved_splits,
]  # fmt: skip


@pytest.mark.parametrize("write", FORMATS)
def test_every_format_gives_the_same_rows(write: Callable[[Path], Source], tmp_path: Path) -> None:
    rows, name = read_rows(write(tmp_path), tmp_path, COLUMNS)
    assert [{**row, "label": float(row["label"] or "nan")} for row in rows] == [
        {**row, "label": float(row["label"])} for row in EXPECTED
    ]
    assert name.startswith(str(tmp_path))


def test_tsv_keeps_quotes_and_words_that_look_like_nothing(tmp_path: Path) -> None:
    rows, _ = read_rows(write_tsv(tmp_path), tmp_path, COLUMNS)
    assert rows == EXPECTED


@pytest.mark.parametrize("write", FORMATS)
def test_a_missing_column_names_those_that_are_there(write: Callable[[Path], Source], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'score'; it has 'first', 'second', 'label'"):
        read_rows(write(tmp_path), tmp_path, ("first", "score"))


@pytest.mark.parametrize("ending", ["tsv", "csv", "parquet"])
def test_a_header_alone(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{ending}"
    if ending == "parquet":
        pq.write_table(pa.table({name: pa.array([], pa.string()) for name in COLUMNS}), path)
    else:
        path.write_text(("\t" if ending == "tsv" else ",").join(COLUMNS) + "\n\n")
    with pytest.raises(InputError, match="has a header but no rows"):
        read_rows(Source(path=str(path)), tmp_path, COLUMNS)


@pytest.mark.parametrize("ending", ["tsv", "csv"])
def test_a_row_of_more_cells_than_the_header_is_refused(ending: str, tmp_path: Path) -> None:
    separator = "\t" if ending == "tsv" else ","
    path = tmp_path / f"rows.{ending}"
    for rows in ([["a", "b", "1", "lost"]], [["a", "b", "1"], ["c", "d", "2", "lost"]]):
        path.write_text("".join(separator.join(row) + "\n" for row in (COLUMNS, *rows)))
        with pytest.raises(InputError, match="cannot be read: row [12] has 4 cells, but the header names 3"):
            read_rows(Source(path=str(path)), tmp_path, COLUMNS)
    path.write_text("".join(separator.join(row) + separator + "\n" for row in (COLUMNS, "ab1")))
    assert len(read_rows(Source(path=str(path)), tmp_path, COLUMNS)[0]) == 1, "an end of each line is no cell"


def test_a_folder_without_the_split(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no test in it; expected test with one of the endings .tsv"):
        local_file(Source(path=".", split="test"), tmp_path)


def test_a_digest_follows_the_content_and_not_the_name(tmp_path: Path) -> None:
    write_tsv(tmp_path)
    before = source_digest(Source(path="rows.tsv"), tmp_path)
    (tmp_path / "rows.tsv").rename(tmp_path / "other.tsv")
    assert source_digest(Source(path="other.tsv"), tmp_path) == before
    (tmp_path / "other.tsv").write_text("changed")
    assert source_digest(Source(path="other.tsv"), tmp_path) != before


HUB = Source(hub="org/set", config="small", split="validation", data="set/dev.tsv", rename={"premise": "first"})
FEATURES = datasets.Features(
    {
        "premise": datasets.Value("string"),
        "second": datasets.Value("string"),
        "label": datasets.ClassLabel(names=["entailment", "neutral"]),
    }
)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, without_data: None) -> list[Any]:
    asked: list[Any] = []

    def load_dataset(*arguments: Any, **options: Any) -> datasets.Dataset:
        asked.append((arguments, options))
        rows = {"premise": ["a", "b", "c"], "second": ["x", "y", "z"], "label": [1, -1, 0]}
        return datasets.Dataset.from_dict(rows, features=FEATURES)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


def test_hub_classes_come_by_name_and_minus_one_is_no_label(hub: list[Any], tmp_path: Path) -> None:
    rows, name = read_rows(HUB, tmp_path, COLUMNS)
    assert [row["label"] for row in rows] == ["neutral", None, "entailment"]
    assert [row["first"] for row in rows] == ["a", "b", "c"]
    assert name == "hub dataset org/set (small), validation"
    ((arguments, options),) = hub
    assert arguments == ("org/set", "small")
    assert options["split"] == "validation"
    assert not options["trust_remote_code"]


def test_offline_says_what_to_do_instead(monkeypatch: pytest.MonkeyPatch, without_data: None, tmp_path: Path) -> None:
    def unreachable(*arguments: Any, **options: Any) -> None:
        raise ConnectionError("no network\nat all")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(TemporaryError, match=f"org/set .*ConnectionError.*set/dev.tsv.*{DATA_VARIABLE}") as caught:
        read_rows(HUB, tmp_path, COLUMNS)
    assert "\n" not in str(caught.value)


def test_the_data_folder_comes_before_the_hub(monkeypatch: pytest.MonkeyPatch, hub: list[Any], tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write_tsv(tmp_path / "set")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert len(read_rows(HUB, tmp_path, COLUMNS)[0]) == 3  # set/dev.tsv is not there
    (tmp_path / "set" / "rows.tsv").rename(tmp_path / "set" / "dev.tsv")
    assert read_rows(HUB, tmp_path, COLUMNS)[0] == EXPECTED
    assert len(hub) == 1


def test_a_data_folder_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=f"{DATA_VARIABLE}=.*nowhere is not a folder"):
        data_folder()


def test_no_data_folder(without_data: None) -> None:
    assert data_folder() is None


@pytest.mark.parametrize("given", [{}, {"path": "a.tsv", "hub": "org/set"}])
def test_a_source_has_one_place(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="give either path .* or hub"):
        Source.model_validate(given)


def write_quoted_tsv(folder: Path) -> Source:
    write_csv(folder)
    content = (folder / "rows.csv").read_text(encoding="utf-8-sig").replace('","', '"\t"').replace(",", "\t", 2)
    (folder / "rows.tsv").write_text(content, encoding="utf-8")
    return Source(path="rows.tsv")


def write_quoted_header(folder: Path) -> Source:
    write_quoted_tsv(folder)
    names, rows = (folder / "rows.tsv").read_text(encoding="utf-8").split("\n", 1)
    header = "\t".join(f'"{name}"' for name in names.split("\t"))
    (folder / "rows.tsv").write_text(f"{header}\n{rows}", encoding="utf-8")
    return Source(path="rows.tsv")


@pytest.mark.parametrize("write", [write_tsv, write_csv, write_quoted_tsv, write_quoted_header, write_jsonl])
def test_a_byte_order_mark_is_dropped_at_the_beginning_and_kept_in_a_cell(
    write: Callable[[Path], Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = [("\ufeff" + one, *others) for one, *others in ROWS]
    monkeypatch.setattr(f"{__name__}.ROWS", marked)
    monkeypatch.setattr(f"{__name__}.EXPECTED", [dict(zip(COLUMNS, row, strict=True)) for row in marked])
    source = write(tmp_path)
    path = tmp_path / str(source.path)
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    for mark in (codecs.BOM_UTF8, b""):
        path.write_bytes(mark + content)
        assert [row["first"] for row in read_rows(source, tmp_path, COLUMNS)[0]] == [row[0] for row in marked]
    path.write_bytes(2 * codecs.BOM_UTF8 + content)  # the second is content
    with pytest.raises(
        InputError, match=r"no column 'first'; it has '\\ufefffirst'|, row 1 is not JSON|the header has a quote"
    ):
        read_rows(source, tmp_path, COLUMNS)


def doubled_table(folder: Path, ending: str) -> Source:
    separator = {"tsv": "\t", "csv": ","}[ending]
    lines = [["first", "note", "label", "note"], ["a", "x", "1", "y"], ["b", "", "2", "z"]]
    (folder / f"rows.{ending}").write_text("".join(separator.join(line) + "\n" for line in lines), encoding="utf-8")
    return Source(path=f"rows.{ending}")


def doubled_parquet(folder: Path) -> Source:
    table = pa.table([["a", "b"], ["x", ""], [1, 2], [b"y", b"z"]], names=["first", "note", "label", "note"])
    pq.write_table(table, folder / "rows.parquet")
    return Source(path="rows.parquet")


def doubled_jsonl(folder: Path) -> Source:
    lines = ['{"first": "a", "note": 1, "label": 1, "note": 2}', '{"first": "b", "label": 2, "more": {"first": 1}}']
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return Source(path="rows.jsonl")


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (
            lambda folder: doubled_table(folder, "tsv"),
            r"rows\.tsv cannot be read: two of its columns have one name, 'note'",
        ),
        (
            lambda folder: doubled_table(folder, "csv"),
            r"rows\.csv cannot be read: two of its columns have one name, 'note'",
        ),
        (
            doubled_parquet,
            r"rows\.parquet cannot be read: two of its columns have one name, 'note'; rename one of them",
        ),
        (doubled_jsonl, r"rows\.jsonl, row 1 gives 'note' twice; keep one of them"),
    ],
)
def test_a_name_that_two_columns_have_is_refused_where_it_is_asked_for_and_harms_no_other(
    write: Callable[[Path], Source], said: str, tmp_path: Path
) -> None:
    source = write(tmp_path)
    expected = [{"first": "a", "label": "1"}, {"first": "b", "label": "2"}]
    assert read_rows(source, tmp_path, ("first", "label"))[0] == expected
    with pytest.raises(InputError, match=said):
        read_rows(source, tmp_path, ("first", "note"))


def test_a_key_that_only_a_later_object_gives_twice_is_refused_there(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"first": "a"}\n\n{"first": "b", "x": 1, "first": "b"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"rows\.jsonl, row 2 gives 'first' twice"):
        read_rows(Source(path="rows.jsonl"), tmp_path, ("first",))


def test_a_hub_column_renamed_to_a_name_that_is_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, without_data: None, tmp_path: Path
) -> None:
    whole = datasets.Dataset.from_dict({"premise": ["a"], "first": ["b"], "label": ["1"]})
    monkeypatch.setattr(datasets, "load_dataset", lambda *given, **options: whole)
    source = Source(hub="org/set", rename={"premise": "first"})
    assert read_rows(source, tmp_path, ("label",))[0] == [{"label": "1"}]
    with pytest.raises(InputError, match="hub dataset org/set, train cannot be read: two of its columns have one name"):
        read_rows(source, tmp_path, ("first", "label"))


@pytest.mark.parametrize("row", [0, 2])
@pytest.mark.parametrize("write", [write_tsv, write_csv, write_jsonl, write_parquet])
def test_a_field_of_a_megabyte_is_read_wherever_it_stands(
    row: int, write: Callable[[Path], Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "the street " * 100_000
    rows = [(long, *one[1:]) if number == row else one for number, one in enumerate(ROWS)]
    monkeypatch.setattr(f"{__name__}.ROWS", rows)
    monkeypatch.setattr(f"{__name__}.EXPECTED", [dict(zip(COLUMNS, one, strict=True)) for one in rows])
    found, _ = read_rows(write(tmp_path), tmp_path, COLUMNS)
    assert [len(one["first"] or "") for one in found] == [len(one[0]) for one in rows]


def test_half_a_surrogate_pair_is_read_as_a_byte_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"first": "a \\ud800 b", "second": "c", "label": 1}\n', encoding="utf-8")
    found, _ = read_rows(Source(path="rows.jsonl"), tmp_path, COLUMNS)
    assert found[0]["first"] == "a \ufffd b"


@pytest.mark.parametrize("ending", ["tsv", "csv"])
def test_a_row_of_zero_bytes_takes_none_of_the_others_along(ending: str, tmp_path: Path) -> None:
    between = "\t" if ending == "tsv" else ","
    lines = [between.join(row) for row in (COLUMNS, *[("a", "b", "1")] * 2000, ("\0\0", "b", "1"), ("c", "d", "2"))]
    (tmp_path / f"rows.{ending}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found, _ = read_rows(Source(path=f"rows.{ending}"), tmp_path, COLUMNS)
    assert (len(found), found[-1]["first"]) == (2002, "c")
