from __future__ import annotations

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from decant.errors import InputError, TemporaryError
from decant.models.reference import is_on_the_hub, model_digest, resolve_model
from tests.tiny_models import tiny_backbone_folder


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_backbone_folder(tmp_path_factory.mktemp("model"), "bert", num_hidden_layers=1)


@pytest.fixture
def model(original: Path, tmp_path: Path) -> Path:
    """A copy of a model folder, to be damaged."""
    return Path(shutil.copytree(original, tmp_path / "model"))


@pytest.fixture
def package(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package `tiny_model_package` with a model inside, and another model beside it."""
    site = tmp_path / "site"
    root = site / "tiny_model_package"
    root.mkdir(parents=True)
    (root / "__init__.py").write_text("")
    shutil.copytree(original, root / "model")
    shutil.copytree(original, site / "beside")
    monkeypatch.syspath_prepend(site)
    return root


def test_local_folder(model: Path) -> None:
    assert resolve_model(model) == model.resolve()
    assert resolve_model(str(model)) == model.resolve()


def test_base_folder_comes_first(original: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(original, elsewhere / "model")
    monkeypatch.chdir(elsewhere)
    assert resolve_model("model") == (elsewhere / "model").resolve()
    assert resolve_model("model", base=tmp_path) == model.resolve()
    assert resolve_model("model", base=tmp_path / "without") == (elsewhere / "model").resolve()


def test_package_folder(package: Path) -> None:
    assert resolve_model("package:tiny_model_package/model") == (package / "model").resolve()


@pytest.mark.parametrize("inside", ["../beside", "model/../../beside", "none", "__init__.py"])
def test_package_path_must_stay_inside(package: Path, inside: str) -> None:
    with pytest.raises(InputError, match=f"package 'tiny_model_package' has no folder '{inside}'"):
        resolve_model(f"package:tiny_model_package/{inside}")


@pytest.mark.parametrize("name", ["no_such_package_here", "os.path", "", "../site", "math"])
def test_package_that_is_not_one(name: str) -> None:
    with pytest.raises(InputError, match="no Python package '.*' is installed"):
        resolve_model(f"package:{name}/model")


def test_file_is_not_a_folder(model: Path) -> None:
    with pytest.raises(InputError, match=r"model\.safetensors' is a file; give the folder that holds config\.json"):
        resolve_model(model / "model.safetensors")


def test_no_such_folder() -> None:
    with pytest.raises(InputError, match="'./not/there': no such folder, and not a hub id"):
        resolve_model("./not/there")


def test_config_missing(model: Path) -> None:
    (model / "config.json").unlink()
    with pytest.raises(InputError, match=r"holds no model: config\.json is missing"):
        resolve_model(model)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b""])
def test_config_not_json(model: Path, content: bytes) -> None:
    (model / "config.json").write_bytes(content)
    with pytest.raises(InputError, match=r"config\.json is not JSON"):
        resolve_model(model)


@pytest.mark.parametrize("content", ["{}", "[]"])
def test_config_without_model_type(model: Path, content: str) -> None:
    (model / "config.json").write_text(content)
    with pytest.raises(InputError, match=r"config\.json(: no model_type in it| holds no JSON object)"):
        resolve_model(model)


def test_no_weights(model: Path) -> None:
    (model / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"holds no weights; Decant loads model\.safetensors only"):
        resolve_model(model)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt", "tf_model.h5"])
def test_pickled_weights_only(model: Path, name: str) -> None:
    (model / "model.safetensors").rename(model / name)
    with pytest.raises(InputError, match=rf"holds only pickled weights \({name}\).*a pickle can run code"):
        resolve_model(model)


def test_pickle_beside_safetensors_is_not_touched(model: Path) -> None:
    (model / "pytorch_model.bin").write_bytes(b"never read")
    assert resolve_model(model) == model.resolve()


def test_truncated_weights(model: Path) -> None:
    path = model / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    whole = len(content)
    with pytest.raises(InputError, match=f"is cut short: {whole - 10} bytes where its header promises {whole}"):
        resolve_model(model)


@pytest.mark.parametrize("kept", [0, 4, 8, 100])
def test_weights_cut_inside_the_header(model: Path, kept: int) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=rf"cut short or not a safetensors file \({kept} bytes\)"):
        resolve_model(model)


@pytest.mark.parametrize("header", [b"\x80garbage", b"[1, 2]", b'{"a": 1}', b'{"a": {"data_offsets": [0]}}'])
def test_garbage_header(model: Path, header: bytes) -> None:
    (model / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(InputError, match="is not a safetensors file: its header cannot be read"):
        resolve_model(model)


def test_damaged_second_shard_is_found(model: Path) -> None:
    (model / "model2.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"model2\.safetensors is cut short"):
        resolve_model(model)


@pytest.mark.parametrize("error", [LocalEntryNotFoundError("two\nlines"), ConnectionError("no\nroute")])
def test_unreachable_hub_is_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*args: Any, **options: Any) -> str:
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    kind = type(error).__name__
    with pytest.raises(InputError, match=rf"'org/name' is neither a local folder nor reachable .*\({kind}\)") as caught:
        resolve_model("org/name")
    assert "\n" not in str(caught.value)


def test_a_hub_that_does_not_answer_may_do_so_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(TemporaryError, match="'org/name' is neither a local folder nor reachable on the hub"):
        resolve_model("org/name")


@pytest.mark.parametrize("inside", ["org/name", "name"])
def test_a_hub_id_is_taken_from_the_folder_of_models(
    inside: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_on_the_hub("org/name", tmp_path)
    shutil.copytree(model, tmp_path / "models" / inside)
    monkeypatch.setenv("DECANT_MODELS", str(tmp_path / "models"))
    assert resolve_model("org/name") == tmp_path / "models" / inside
    assert not is_on_the_hub("org/name", tmp_path)
    assert is_on_the_hub("org/other", tmp_path)


def test_only_a_hub_id_is_on_the_hub(model: Path, tmp_path: Path) -> None:
    assert not any(is_on_the_hub(one, tmp_path) for one in ("model", str(model), "package:json/x", "./a/b/c", "name"))


def test_hub_download_asks_for_no_pickle_and_no_code(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def download(name: str, **options: Any) -> str:
        asked.append((name, options))
        return str(model)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert resolve_model("org/name") == model
    [(name, options)] = asked
    assert name == "org/name"

    def wanted(file: str) -> bool:
        return any(fnmatch(file, pattern) for pattern in options["allow_patterns"])

    refused = [
        "pytorch_model.bin",
        "a.pt",
        "a.pth",
        "a.ckpt",
        "a.pkl",
        "tf_model.h5",
        "modeling_x.py",
        "onnx/model.onnx",
    ]
    needed = [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "vocab.txt",
        "spiece.model",
        "1_Pooling/config.json",
    ]
    assert [file for file in refused if wanted(file)] == []
    assert [file for file in needed if not wanted(file)] == []


def test_hub_model_with_pickles_only_is_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (model / "model.safetensors").unlink()
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **options: str(model))
    with pytest.raises(InputError, match=r"holds no weights; Decant loads model\.safetensors only"):
        resolve_model("org/name")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_digest_changes_with_a_byte(model: Path, original: Path, name: str) -> None:
    assert model_digest(model) == model_digest(original)
    content = bytearray((model / name).read_bytes())
    content[-1] ^= 1
    (model / name).write_bytes(content)
    assert model_digest(model) != model_digest(original)


def test_digest_sees_names_but_no_readme(model: Path, original: Path) -> None:
    (model / "README.md").write_text("words about it")
    assert model_digest(model) == model_digest(original)
    config = json.loads((model / "config.json").read_text())
    assert config["model_type"] == "bert"
    (model / "config.json").rename(model / "konfig.json")
    assert model_digest(model) != model_digest(original)
