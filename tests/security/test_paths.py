"""Links and paths that lead out of a folder: nothing beyond it is read into a bundle, a release or an answer."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from decant.errors import InputError
from export.artifact.manifest import MANIFEST, read_manifest, verify_artifact
from pipeline.pick.run_pick import candidate_of
from pipeline.registry.registry import CURRENT, VERSIONS, Registry
from pipeline.registry.storage import storage_of
from tests.test_bad_input import assert_refused
from tests.tiny_artifacts import tiny_artifact
from tests.tiny_runs import decant

OUTSIDE = [
    "../secret",
    "../../secret",
    "/etc/hostname",
    "onnx/../../secret",
    "..",
    ".",
    "",
    "onnx/..",
    "a\0b",
    "C:\\secret",
]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """What a link must not give away."""
    path = tmp_path / "secret"
    path.write_text("secret", encoding="utf-8")
    return path


def link_to_a_file(artifact: Path, secret: Path) -> str:
    (artifact / "README.md").unlink()
    (artifact / "README.md").symlink_to(secret)
    return "README.md was changed: its sha256 differs"


def one_more_link(artifact: Path, secret: Path) -> str:
    (artifact / "more.txt").symlink_to(secret)
    return "more.txt is not listed"


def link_to_a_folder(artifact: Path, secret: Path) -> str:
    (artifact / "onnx").rename(artifact.with_name("onnx"))
    (artifact / "onnx").symlink_to(artifact.with_name("onnx"))
    return "is a link to a folder"


def link_to_itself(artifact: Path, secret: Path) -> str:
    (artifact / "loop").symlink_to(artifact / "loop")
    return "loop is not listed"


def pipe(artifact: Path, secret: Path) -> str:
    (artifact / "README.md").unlink()
    os.mkfifo(artifact / "README.md")
    return "README.md is missing"


LINKS = [link_to_a_file, one_more_link, link_to_a_folder, link_to_itself, pipe]


@pytest.mark.parametrize("spoil", LINKS, ids=[one.__name__ for one in LINKS])
@pytest.mark.parametrize("verb", ["verify", "encode", "bundle", "promote"])
def test_an_artifact_with_a_link(
    verb: str, spoil: Callable[[Path, Path], str], artifact: Path, secret: Path, project: Path, tmp_path: Path
) -> None:
    expected = spoil(artifact, secret)
    options = {
        "bundle": ["--for", "ort", "--out", tmp_path / "served"],
        "promote": ["--to", tmp_path / "registry", "--pairs", project.with_name("test.tsv"), "--quiet"],
    }
    said = decant(verb, artifact, *options.get(verb, []), stdin=b"a\n")
    assert_refused(said, expected, code=3 if verb == "promote" else 2)  # there, the manifest is a gate
    assert not (tmp_path / "served").exists()
    assert not (tmp_path / "registry" / CURRENT).exists()


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_manifest_that_lists_what_lies_outside(path: str, tmp_path: Path, secret: Path) -> None:
    artifact = tiny_artifact(tmp_path / "a" / "artifact")
    manifest = json.loads((artifact / MANIFEST).read_text(encoding="utf-8"))
    manifest["sha256"][path] = "0" * 64
    (artifact / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(InputError, match="is missing: the artifact is incomplete"):
        verify_artifact(artifact)
    assert_refused(decant("verify", artifact), "is missing: the artifact is incomplete")


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname", "onnx/../../secret", "..\\secret"])
def test_a_release_that_lists_what_lies_outside_is_not_downloaded(path: str, tmp_path: Path) -> None:
    storage = storage_of("memory://registry-of-paths")
    target = tmp_path / "a" / "scratch"
    target.mkdir(parents=True)
    with pytest.raises(InputError, match="leads out of the folder; it is not fetched"):
        storage.fetch("versions/1", [path], target)
    assert [found.name for found in tmp_path.rglob("*") if found.is_file()] == []


def test_a_release_holds_copies_of_what_links_lead_to(tmp_path: Path) -> None:
    """As the hub's cache has it: every file of a snapshot is a link."""
    whole, links = tiny_artifact(tmp_path / "whole"), tmp_path / "links"
    for path in whole.rglob("*"):
        if path.is_file():
            (links / path.relative_to(whole)).parent.mkdir(parents=True, exist_ok=True)
            (links / path.relative_to(whole)).symlink_to(path)
    release = Registry.at(tmp_path / "registry").add(links)
    version = tmp_path / "registry" / VERSIONS / release.version
    assert not [path for path in version.rglob("*") if path.is_symlink()]
    shutil.rmtree(whole)
    assert verify_artifact(version).sha256 == read_manifest(version).sha256


@pytest.mark.parametrize(
    "version", ["../../secret", "/etc", "000001-aaaaaaaaaaaa/../../secret", "000001-aaaaaaaaaaaa\n"]
)
def test_a_version_that_is_no_name_of_one(version: str, tmp_path: Path, secret: Path) -> None:
    registry = Registry.at(tmp_path / "registry")
    registry.add(tiny_artifact(tmp_path / "artifact"))
    assert_refused(decant("rollback", tmp_path / "registry", "--to", version), "has no release")
    pointer = json.loads((tmp_path / "registry" / CURRENT).read_text(encoding="utf-8"))
    for content in (pointer | {"version": version}, pointer | {"before": [version]}):
        (tmp_path / "registry" / CURRENT).write_text(json.dumps(content), encoding="utf-8")
        assert_refused(decant("releases", tmp_path / "registry"), "current: ", "should match pattern")


@pytest.mark.parametrize("selected", ["../../elsewhere", "/elsewhere", "..", ".", "a/b", 3, ["x"]])
def test_a_report_that_selects_a_folder_elsewhere(selected: object, tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    content = {"selected": selected, "selected_because": "so"}
    (tmp_path / "report" / "report.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match="which is no name of an artifact"):
        candidate_of(tmp_path)


def test_a_file_is_read_by_its_very_name(tmp_path: Path) -> None:
    """No brackets, stars or chains of file systems are followed."""
    from pipeline.texts.source import Source, read_rows

    for name, text in {"a[b].tsv": "brackets", "ab.tsv": "b", "a?.csv": "mark", "a*.csv": "star"}.items():
        separator = "\t" if name.endswith(".tsv") else ","
        (tmp_path / name).write_text(f"text{separator}label\n{text}{separator}1\n", encoding="utf-8")
    for name, text in {"a[b].tsv": "brackets", "a?.csv": "mark", "a*.csv": "star"}.items():
        assert read_rows(Source(path=name), tmp_path, ("text",))[0] == [{"text": text}]
