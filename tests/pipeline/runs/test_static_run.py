"""The whole road of a static student on a tiny teacher: with labelled pairs and without, whole vectors and shorter."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decant import Encoder
from decant.models.encoder import SentenceEncoder
from export.artifact.manifest import verify_artifact
from tests.tiny_runs import Models, decant, tiny_recipe, write_project

pytestmark = pytest.mark.smoke
TEXTS = ["a man is playing a guitar", "", "the cat sat"]


def static_recipe(models: Models, *, labelled: bool) -> dict[str, Any]:
    """A recipe of a static student, of shorter vectors too where it is labelled."""
    recipe = tiny_recipe(models)
    del recipe["teacher"]
    schedule = {"epochs": 2, "batch_size": 16, "precision": "32-true"}
    recipe["embedding"] = {"teachers": [{"model": str(models.encoder)}], "sentences": ["sentences.txt"], **schedule}
    recipe["student"] = {"kind": "static", "words": 3, "min_count": 1}
    recipe["export"]["precisions"] = ["fp32", "fp16", "int8", "int4"]
    if labelled:
        recipe["student"] |= {"dims": [16], "epochs": 1, "batch_size": 16}
        recipe["export"] |= {"precisions": ["fp32", "int8"], "cuts": [[0, 32], [0, 16]]}
    else:
        del recipe["texts"]["train"], recipe["texts"]["dev"]
    return recipe | {"name": "static"}


def _written(folder: Path, recipe: dict[str, Any]) -> Path:
    """The project, with words in its sentences that the tiny tokenizer spells in pieces."""
    path = write_project(folder, recipe)
    with (folder / "sentences.txt").open("a", encoding="utf-8") as file:
        file.write("zebras love jazz\nzebras love quokkas\nquokkas play jazz\n")
    return path


@pytest.mark.parametrize("labelled", [False, True])
def test_a_static_student_goes_the_whole_road(tmp_path: Path, models: Models, labelled: bool) -> None:
    recipe = _written(tmp_path, static_recipe(models, labelled=labelled))
    out = tmp_path / "run"
    said = decant("run", recipe, "--out", out)
    assert said.code == 0, said.err
    report = json.loads((out / "report" / "report.json").read_text())
    rows = {row["name"]: row for row in report["rows"]}
    names = [f"L0xD32-{one}" for one in ("fp32", "fp16", "int8", "int4")]
    names = ["L0xD32-fp32", "L0xD32-int8", "L0xD16-fp32", "L0xD16-int8"] if labelled else names
    assert set(names) <= set(rows), said.out
    student = SentenceEncoder.load(out / "student")
    assert student.layers == 0
    assert len(student.tokenizer) == len(SentenceEncoder.load(models.encoder).tokenizer) + 3
    for name in names:
        assert rows[name]["runtime"] == "numpy"
        assert rows[name]["layers"] == 0
        encoder = Encoder(out / "artifacts" / name)
        vectors = encoder.encode(TEXTS)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
        assert verify_artifact(out / "artifacts" / name).layers == 0
        card = (out / "artifacts" / name / "README.md").read_text(encoding="utf-8")
        assert "from decant import Encoder" in card
        assert ("StaticModel.from_pretrained" in card) == ("int4" not in name)
        assert ("SentenceTransformer(" in card) == ("int4" not in name)
    whole = Encoder(out / "artifacts" / "L0xD32-fp32").encode(TEXTS)
    np.testing.assert_allclose(whole, student.encode(TEXTS), atol=1e-5)
    assert report["selected"] in names
    again = decant("run", recipe, "--out", out)
    assert again.code == 0, again.err
    stages = ("vectors", "table", "embed", "student", "graphs", "measure", "artifacts")
    assert all(any(line.split()[:2] == [stage, "reused"] for line in again.err.splitlines()) for stage in stages)


def test_the_plan_knows_the_table(tmp_path: Path, models: Models) -> None:
    recipe = _written(tmp_path, static_recipe(models, labelled=False))
    said = decant("plan", recipe, "--out", tmp_path / "run")
    assert said.code == 0, said.err
    assert b"table" in said.out


def test_what_the_texts_or_teachers_do_not_have_is_told_before_the_run(tmp_path: Path, models: Models) -> None:
    recipe = _written(tmp_path, static_recipe(models, labelled=False))
    said = decant("run", recipe, "--out", tmp_path / "run", "--set", "student.dim=64")
    assert said.code == 2
    assert "student.dim: 64 is above the 32 numbers of the teachers' vectors" in said.err
    said = decant("run", recipe, "--out", tmp_path / "run", "--set", "student.words=90000")
    assert said.code == 2
    assert "student.words: 90,000 are asked for" in said.err
    assert not (tmp_path / "run" / "vectors").exists()
    said = decant("run", recipe, "--out", tmp_path / "run", "--set", "export.cuts=[[1, 32]]")
    assert said.code == 2
    assert "[1, 32] is no cut of a static student; give [0, 1..32]" in said.err
