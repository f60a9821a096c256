"""What `decant` offers to Python: loaded when it is used, and the same as the command line."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import decant
from decant import Encoder, Report, Reranker, load_recipe, run
from decant.errors import GateError, InputError
from export.serve.rerank_session import OnnxReranker
from export.serve.session import OnnxEncoder
from tests.tiny_artifacts import tiny_reranker
from tests.tiny_runs import SmokeRun

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "numpy", "onnxruntime", "transformers", "pydantic", "pipeline", "export"}
BLOCKS = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEXTS = ["a man", "", "the dog runs in the park"]


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_reranker(tmp_path_factory.mktemp("rerankers") / "reranker")


def test_importing_it_loads_nothing() -> None:
    code = f"import decant, sys; dir(decant); sys.exit(bool({HEAVY!r} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_serving_and_reading_load_no_torch() -> None:
    names = "Encoder, Report, Reranker, load_recipe"
    code = f"import sys; from decant import {names}; sys.exit(not {{'torch', 'onnx'}}.isdisjoint(sys.modules))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_its_names_are_those_of_its_types() -> None:
    stub = ast.parse((ROOT / "decant" / "__init__.pyi").read_text(encoding="utf-8"))
    typed = {alias.asname: node.module for node in stub.body for alias in node.names}  # type: ignore[attr-defined]
    assert typed == decant.DOOR
    assert sorted(decant.__all__) == sorted(typed)
    assert set(typed) <= set(dir(decant))
    for name, module in typed.items():
        assert getattr(decant, name) is getattr(importlib.import_module(module), name)


def test_no_other_name_is_there() -> None:
    with pytest.raises(AttributeError, match="module 'decant' has no attribute 'encode'"):
        _ = decant.encode  # type: ignore[attr-defined]


@pytest.mark.parametrize("package", ["decant", "pipeline", "export", "students", "teachers"])
def test_packages_say_that_they_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_an_encoder_gives_what_its_graph_gives(smoke_run: SmokeRun) -> None:
    encoder, graph = Encoder(str(smoke_run.artifact), threads=1), OnnxEncoder(smoke_run.artifact, 1)
    np.testing.assert_array_equal(encoder.encode(TEXTS), graph.encode(TEXTS))
    assert (encoder.dim, encoder.max_length, encoder.prompts) == (graph.dim, graph.max_length, {})
    assert encoder.manifest.precision == "fp32"
    with pytest.raises(InputError, match="there is no prompt|no prompt"):
        encoder.encode(TEXTS, prompt="query")
    with pytest.raises(InputError, match="texts: give a list of them, not one text"):
        encoder.encode("a man")


def test_an_encoder_of_a_changed_file_is_refused(smoke_run: SmokeRun, tmp_path: Path) -> None:
    shutil.copytree(smoke_run.artifact, tmp_path / "artifact")
    (tmp_path / "artifact" / "README.md").write_text("other", encoding="utf-8")
    with pytest.raises(InputError, match=r"README\.md was changed"):
        Encoder(tmp_path / "artifact")


def test_a_reranker_puts_the_best_text_first(reranker: Path) -> None:
    served = Reranker(reranker, threads=1)
    scores = OnnxReranker(reranker, 1).score([("the man", text) for text in TEXTS])
    np.testing.assert_array_equal(served.score([("the man", text) for text in TEXTS]), scores)
    ranked = served.rank("the man", TEXTS)
    assert [place for place, _ in ranked] == np.argsort(-scores).tolist()
    assert [score for _, score in ranked] == pytest.approx(sorted(scores.tolist(), reverse=True), abs=1e-6)


def test_classes_cannot_be_ranked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gives 3 scores a pair, one a class; use score"):
        Reranker(tiny_reranker(tmp_path / "classes", outputs=3)).rank("a", ["b"])


def test_a_report_picks_as_the_command_line_does(smoke_run: SmokeRun) -> None:
    report = Report.read(smoke_run.folder)
    picked = report.pick(max_size_mib=60)
    assert picked.row in report.rows
    assert (picked.folder / "decant.json").is_file()
    assert "size at most 60 MiB" in picked.because
    with pytest.raises(GateError, match="infeasible: nearest is .* misses size"):
        report.pick(max_size_mib=0.001)
    with pytest.raises(InputError, match=r"min_accuracy 0\.5: accuracy is ×100 here"):
        report.pick(min_accuracy=0.5)
    with pytest.raises(TypeError, match="there is no limit 'max_size'; there are min_accuracy, "):
        report.pick(max_size=60)  # type: ignore[call-arg]


def test_a_run_that_is_not_there_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"report\.json: No such file"):
        Report.read(tmp_path)


def test_a_recipe_is_read_with_what_goes_over_it(smoke_run: SmokeRun) -> None:
    assert load_recipe(str(smoke_run.recipe), ["student.epochs=7"]).student.epochs == 7
    with pytest.raises(InputError, match="overrides go over a recipe's file"):
        run(load_recipe(smoke_run.recipe), overrides=["student.epochs=7"])


def test_the_examples_of_its_page_run(
    smoke_run: SmokeRun, reranker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = shutil.copytree(smoke_run.recipe.parent, tmp_path / "project")
    (project / smoke_run.recipe.name).rename(project / "my.yaml")
    made = project / "runs" / "my"
    shutil.move(project / smoke_run.folder.name, made)
    shutil.copytree(next((made / "artifacts").glob("*-fp32")), project / "L6xD384-fp32")
    monkeypatch.chdir(project)
    blocks = BLOCKS.findall((ROOT / "docs" / "python.md").read_text(encoding="utf-8"))
    assert len(blocks) == 5
    for block in sorted(blocks, key=lambda block: "run(" not in block):  # which would not know the copies below
        if "run(" not in block and not (made / "artifacts" / "reranker").exists():
            shutil.copytree(reranker, made / "artifacts" / "reranker")
            shutil.copytree("L6xD384-fp32", made / "artifacts" / "L6xD384-fp32")
        exec(compile(block, "docs/python.md", "exec"), {})
