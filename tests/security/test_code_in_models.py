"""No model brings code along: neither by the hub's `auto_map`, nor by a module of sentence-transformers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import dynamic_module_utils

from decant.errors import InputError
from decant.models.reference import resolve_model
from tests.test_bad_input import assert_refused, sign
from tests.tiny_runs import Models, decant

MAPS = {
    "config.json": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"},
    "tokenizer_config.json": {"AutoTokenizer": ["evil.Evil", None]},
}


def spoil(path: Path, change: Callable[[dict[str, object]], dict[str, object]]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")


@pytest.fixture
def model(models: Models, mark: Path, tmp_path: Path) -> Path:
    """A model folder with a file of Python that makes the mark when it is imported."""
    folder = Path(shutil.copytree(models.encoder, tmp_path / "model"))
    (folder / "evil.py").write_text(f"import os\nos.mkdir({str(mark)!r})\nclass Evil: ...\n", encoding="utf-8")
    return folder


def test_the_code_would_run(model: Path, mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    dynamic_module_utils.get_class_from_dynamic_module("evil.Evil", model, local_files_only=True)
    assert mark.exists()


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("key", ["student.model", "teacher.model", "measure.compare"])
def test_auto_map_is_refused(key: str, name: str, model: Path, project: Path, mark: Path) -> None:
    spoil(model / name, lambda content: content | {"auto_map": MAPS[name]})
    value = f"[{model}]" if key == "measure.compare" else str(model)
    said = decant("run", project, "--set", f"{key}={value}", "--out", project.with_name("run"), "--quiet")
    assert_refused(said, f"{name} asks for code of its own (auto_map: ", "Decant runs no code of a model")
    analysed = decant("analyse", model, "--texts", project.with_name("sentences.txt"))
    assert_refused(analysed, f"{name} asks for code of its own")
    assert not mark.exists()


MODULE = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
MODULES = [
    ([MODULE | {"type": "evil.Evil"}], r"modules.json asks for code of its own \(type: \"evil.Evil\"\)"),
    ([{}], r"modules.json asks for code of its own \(type: null\)"),
    ([MODULE | {"path": "../elsewhere"}], "path '../elsewhere' leads out of the folder"),
    ([MODULE | {"path": "/"}], "path '/' leads out of the folder"),
    ([MODULE | {"path": 3}], "path 3 leads out of the folder"),
    ([MODULE, MODULE | {"path": "dense"}], r"asks for code of its own \(activation_function: \"os.abort\"\)"),
    ({"type": "evil.Evil"}, "is no list of modules"),
]


@pytest.mark.parametrize(("modules", "expected"), MODULES, ids=[said[:40] for _, said in MODULES])
def test_a_module_of_another_library_is_refused(modules: object, expected: str, model: Path, mark: Path) -> None:
    (model / "dense").mkdir()
    (model / "dense" / "config.json").write_text('{"activation_function": "os.abort"}', encoding="utf-8")
    (model / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    with pytest.raises(InputError, match=expected):
        resolve_model(model)
    assert not mark.exists()


def test_the_modules_that_decant_writes_are_let_in(artifact: Path) -> None:
    assert len(json.loads((artifact / "modules.json").read_text(encoding="utf-8"))) == 4
    assert resolve_model(artifact) == artifact.resolve()


@pytest.mark.parametrize("verb", ["verify", "certify", "bundle"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "modules.json"])
def test_an_artifact_whose_files_ask_for_code(verb: str, name: str, artifact: Path, mark: Path) -> None:
    (artifact / "evil.py").write_text(f"import os\nos.mkdir({str(mark)!r})\n", encoding="utf-8")
    if name == "modules.json":
        (artifact / name).write_text(json.dumps([MODULE | {"type": "evil.Evil"}]), encoding="utf-8")
    else:
        spoil(artifact / name, lambda content: content | {"auto_map": MAPS[name]})
    sign(artifact, "evil.py")
    options = ["--for", "st", "--out", artifact.with_name("served")] if verb == "bundle" else []
    assert_refused(decant(verb, artifact, *options), f"{name} asks for code of its own")
    assert not mark.exists()


def test_a_package_that_holds_a_model_is_not_imported(
    model: Path, mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "packages" / "some_models"
    shutil.copytree(model, package / "model")
    (package / "__init__.py").write_text(f"import os\nos.mkdir({str(mark)!r})\n", encoding="utf-8")
    monkeypatch.syspath_prepend(package.parent)
    assert resolve_model("package:some_models/model") == (package / "model").resolve()
    for reference in ("package:some_models/../model", "package:some_models//etc", "package:some_models.x/model"):
        with pytest.raises(InputError, match="package:some_models.* (has no folder|is installed)"):
            resolve_model(reference)
    assert not mark.exists()
