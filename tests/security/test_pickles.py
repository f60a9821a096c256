"""A file that runs code when it is unpickled is refused in one line wherever it is given, and its code does not run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch

from decant.errors import InputError
from decant.training.checkpoint_callback import LAST
from export.artifact.bundle import GRAPH
from students.cuts.vocabulary import listed_texts
from tests.decant.training.test_fit import Line, settings, train
from tests.test_bad_input import assert_refused, sign
from tests.tiny_runs import Models, decant

ENDINGS = [".bin", ".joblib"]  # torch's zip, and a bare pickle
MORE_ENDINGS = [".ckpt", ".pt", ".npy"]


@pytest.fixture(params=[*ENDINGS, *(pytest.param(ending, marks=pytest.mark.slow) for ending in MORE_ENDINGS)])
def pickled(request: pytest.FixtureRequest, pickles: dict[str, Path]) -> Path:
    return pickles[request.param]


def load_as_others_do(path: Path) -> None:
    if path.suffix == ".npy":
        np.load(path, allow_pickle=True)
    elif path.suffix == ".joblib":
        joblib.load(path)
    else:
        torch.load(path, weights_only=False)


def test_the_payload_would_run(pickled: Path, mark: Path) -> None:
    load_as_others_do(pickled)
    assert mark.exists()


REFERENCES = ["student.model", "teacher.model", "measure.compare"]
COMMANDS: list[tuple[str, Callable[[Path, Path], list[Any]]]] = [
    ("analyse a model", lambda path, pairs: ["analyse", path, "--texts", pairs, "--column", "sentence1"]),
    ("analyse texts", lambda path, pairs: ["analyse", path.parent, "--texts", path]),
    ("eval", lambda path, pairs: ["eval", path, "--pairs", pairs]),
    ("encode", lambda path, pairs: ["encode", path]),
    ("verify", lambda path, pairs: ["verify", path]),
    ("bundle", lambda path, pairs: ["bundle", path, "--for", "ort", "--out", path.with_name("served")]),
    ("certify", lambda path, pairs: ["certify", path]),
    ("bench", lambda path, pairs: ["bench", path, "--pairs", pairs]),
    ("promote", lambda path, pairs: ["promote", path, "--to", path.with_name("registry"), "--pairs", pairs]),
    ("pick", lambda path, pairs: ["pick", path]),
    ("compare", lambda path, pairs: ["compare", path, pairs, "--out", path.with_name("page.html")]),
    ("report", lambda path, pairs: ["report", path]),
    ("run", lambda path, pairs: ["run", path]),
    ("validate", lambda path, pairs: ["validate", path]),
    ("schedule", lambda path, pairs: ["schedule", "add", path, "--every", "1h", "--home", path.with_name("home")]),
    ("releases", lambda path, pairs: ["releases", path]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_a_pickle_given_to_a_command(
    name: str, command: Callable[[Path, Path], list[Any]], pickled: Path, project: Path, mark: Path
) -> None:
    assert_refused(decant(*command(pickled, project.with_name("test.tsv"))))
    assert not mark.exists()


@pytest.mark.parametrize("key", REFERENCES)
def test_a_pickle_given_as_a_model(key: str, pickled: Path, project: Path, mark: Path) -> None:
    value = f"[{pickled}]" if key == "measure.compare" else str(pickled)
    said = decant("run", project, "--set", f"{key}={value}", "--out", project.with_name("run"), "--quiet")
    assert_refused(said, "is a file; give the folder that holds config.json")
    assert not mark.exists()


@pytest.mark.parametrize("key", REFERENCES)
def test_a_folder_of_pickled_weights_alone(
    key: str, pickles: dict[str, Path], models: Models, project: Path, tmp_path: Path, mark: Path
) -> None:
    folder = Path(shutil.copytree(models.encoder, tmp_path / "model"))
    (folder / "model.safetensors").unlink()
    for path in pickles.values():
        shutil.copy(path, folder)
    value = f"[{folder}]" if key == "measure.compare" else str(folder)
    said = decant("run", project, "--set", f"{key}={value}", "--out", project.with_name("run"), "--quiet")
    assert_refused(said, "only pickled weights (pytorch_model.bin, model.pt, model.ckpt)")
    assert_refused(decant("analyse", folder, "--texts", project.with_name("sentences.txt")), "only pickled weights")
    assert not mark.exists()


def test_a_pickle_beside_safetensors_or_under_their_name(
    pickles: dict[str, Path], models: Models, project: Path, tmp_path: Path, mark: Path
) -> None:
    folder = Path(shutil.copytree(models.encoder, tmp_path / "model"))
    shutil.copy(pickles[".bin"], folder)
    analyse = ["analyse", folder, "--texts", project.with_name("sentences.txt"), "--length", "8", "--limit", "1"]
    assert decant(*analyse, "--json").code == 0
    assert not mark.exists()
    shutil.copy(pickles[".bin"], folder / "model.safetensors")
    assert_refused(decant(*analyse), "model.safetensors is cut short or not a safetensors file")
    assert not mark.exists()


@pytest.mark.parametrize("ending", ["", ".tsv", ".csv", ".jsonl", ".parquet"])
def test_a_pickle_given_as_data(ending: str, pickled: Path, artifact: Path, project: Path, mark: Path) -> None:
    file = pickled if not ending else Path(shutil.copy(pickled, pickled.with_suffix(ending)))
    said = decant("run", project, "--set", f"texts.train={file}", "--out", project.with_name("run"), "--quiet")
    assert_refused(said, str(file))
    assert_refused(decant("eval", artifact, "--pairs", file), str(file))
    assert not mark.exists()


def test_a_pickle_given_as_a_list_of_words(pickled: Path, mark: Path) -> None:
    from students.cuts.vocabulary_settings import VocabularySettings

    with pytest.raises(InputError, match="is not a text file in UTF-8"):
        listed_texts(VocabularySettings(size=100, keep_from=str(pickled)), Path())
    assert not mark.exists()


@pytest.mark.parametrize("file", [GRAPH, "model.safetensors", "tokenizer.json", "pytorch_model.bin"])
@pytest.mark.parametrize("verb", ["verify", "encode", "bundle"])
def test_an_artifact_that_holds_a_pickle(
    verb: str, file: str, pickles: dict[str, Path], artifact: Path, mark: Path
) -> None:
    shutil.copy(pickles[".bin"], artifact / file)
    options = ["--for", "ort", "--out", artifact.with_name("served")] if verb == "bundle" else []
    assert_refused(decant(verb, artifact, *options, stdin=b"a\n"), file)
    sign(artifact, file)
    said = decant(verb, artifact, *options, stdin=b"a\n")
    if file in (GRAPH, "tokenizer.json") or (verb, file) == ("verify", "model.safetensors"):
        assert_refused(said, "tokenizer" if file == "tokenizer.json" else file)
    assert "Traceback" not in said.err
    assert not mark.exists()


def test_a_run_folder_whose_report_is_a_pickle(pickled: Path, tmp_path: Path, mark: Path) -> None:
    (tmp_path / "run" / "report").mkdir(parents=True)
    shutil.copy(pickled, tmp_path / "run" / "report" / "report.json")
    for command in (["pick"], ["report"], ["compare", "--out", tmp_path / "page.html", tmp_path]):
        said = decant(*command[:1], tmp_path / "run", *command[1:])
        assert_refused(said, "report.json: the file: Invalid JSON")
    assert not mark.exists()


def test_a_training_does_not_go_on_from_a_pickle(pickles: dict[str, Path], tmp_path: Path, mark: Path) -> None:
    folder = tmp_path / "training"
    folder.mkdir()
    shutil.copy(pickles[".ckpt"], folder / LAST)
    with pytest.raises(InputError, match=rf"{LAST} is no checkpoint of this training .*; remove it"):
        train(Line(settings()), lambda: 0.0, folder)
    assert not mark.exists()
