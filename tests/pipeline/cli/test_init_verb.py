"""`decant init`: a file in, a recipe out that is valid and can be run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.tiny_runs import Models, decant, pairs, write_tsv


@pytest.fixture
def here(tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, and a tiny model to start from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("decant.models.start_model.start_model", lambda: str(models.encoder))
    return tmp_path


def test_a_file_of_pairs_becomes_a_valid_recipe(here: Path) -> None:
    write_tsv(here / "my pairs.tsv", pairs("binary", 80, 1), ("question1", "question2", "same"))
    said = decant("init", "my pairs.tsv")
    assert said.code == 0, said.err
    assert said.text.splitlines()[0].startswith(
        "my pairs.tsv: 80 pairs of 'question1' and 'question2', label 'same' (binary), a fifth is held back"
    )
    assert decant("validate", "my pairs.yaml").text == "my pairs.yaml is valid\n"
    texts = yaml.safe_load((here / "my pairs.yaml").read_text())["texts"]
    assert texts["columns"] == {"first": "question1", "second": "question2", "label": "same"}
    again = decant("init", "my pairs.tsv")
    assert again.code == 2
    assert "my pairs.yaml is there already; give another name, or --force" in again.err
    assert decant("init", "my pairs.tsv", "--force", "--task", "regression").code == 0
    assert yaml.safe_load((here / "my pairs.yaml").read_text())["texts"]["task"]["kind"] == "regression"


def test_the_test_file_may_be_given(here: Path) -> None:
    for name in ("a.tsv", "b.tsv"):
        write_tsv(here / "data" / name, pairs("regression", 40, len(name)))
    assert decant("init", "data/a.tsv", "--test", "data/b.tsv").code == 0
    texts = yaml.safe_load((here / "a.yaml").read_text())["texts"]
    assert (texts["train"], texts["test"]) == ("data/a.tsv", "data/b.tsv")
    assert decant("validate", "a.yaml").code == 0


def test_texts_without_labels(here: Path) -> None:
    texts = [text for row in pairs("regression", 40, 3) for text in row[:2]]
    (here / "captions.txt").write_text("\n".join(texts) + "\n")
    said = decant("init", "--unlabelled", "captions.txt")
    assert said.code == 0, said.err
    assert said.text.startswith("captions.txt: 80 texts of column 'text'; ")
    assert yaml.safe_load((here / "captions.yaml").read_text())["embedding"]["sentences"] == ["captions.txt"]
    assert decant("init", "own.yaml", "--unlabelled", "captions.txt").code == 0
    assert (here / "own.yaml").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no.csv"], "no.csv: no such file"),
        (["a.tsv", "--label", "lable"], "--label lable: a.tsv has no such column; did you mean label?"),
        (["a.tsv", "--task", "binery"], "--task binery: choose regression, binary, multiclass; did you mean binary?"),
        (["a.tsv", "--train", "b.tsv"], "--train b.tsv: a.tsv is what is trained on"),
        (["--unlabelled", "a.tsv", "--label", "x"], "--label x: it goes with a file of labelled pairs alone"),
        (["my.yaml", "--first", "x"], "--first x: it goes with a file of labelled pairs alone"),
        (["table.xlsx"], "cannot read '.xlsx'; give one of .tsv, .csv"),
    ],
)
def test_what_cannot_be(arguments: list[str], said: str, here: Path) -> None:
    write_tsv(here / "a.tsv", pairs("regression", 40, 1))
    (here / "table.xlsx").write_bytes(b"PK")
    before = sorted(here.iterdir())
    done = decant("init", *arguments)
    assert done.code == 2
    assert said in done.err
    assert len(done.lines) == 1
    assert sorted(here.iterdir()) == before


def test_the_help_has_an_example_of_each_way() -> None:
    said = decant("init", "--help").text
    for example in ("init questions.csv", "init --unlabelled captions.txt", "init my.yaml --train pairs.tsv"):
        assert example in said
