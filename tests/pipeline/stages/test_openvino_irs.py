"""OpenVINO as one more runtime of a whole run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from export.artifact.bundle import verify_artifact
from export.engines.openvino_ir import FILES, missing_for_ir
from export.serve.session import OnnxEncoder
from tests.tiny_runs import SmokeRun, decant, read_log

pytestmark = pytest.mark.smoke
needs_openvino = pytest.mark.skipif(
    missing_for_ir("int8") is not None, reason="openvino and nncf are not installed (the extra openvino)"
)
BOTH = ["--set", "export.openvino=[fp32, int8]", "--set", "export.openvino_int8.max_drop=0.2"]


@pytest.fixture
def copied(smoke_run: SmokeRun, tmp_path: Path) -> SmokeRun:
    """The finished run, to be changed."""
    shutil.copytree(smoke_run.recipe.parent, tmp_path / "copy")
    return SmokeRun(tmp_path / "copy" / "recipe.yaml", tmp_path / "copy" / "run", smoke_run.said)


def begun(run: Path, after: int) -> list[str]:
    return [line["stage"] for line in read_log(run)[after:] if line["event"] == "begun"]


@needs_openvino
def test_rows_of_their_own_and_files_in_the_fp32_artifact(copied: SmokeRun) -> None:
    before = len(copied.log())
    said = decant("run", copied.recipe, "--out", copied.folder, *BOTH, "--json")
    assert said.code == 0, said.err
    assert begun(copied.folder, before) == ["openvino", "measure", "artifacts", "report"], "no graph is made again"
    report = said.json()
    rows = {row["name"]: row for row in report["rows"]}
    whole = rows["L3xD32-fp32"]
    for kind, gate in (("fp32", 0.99999), ("int8", 0.5)):
        row = rows[f"L3xD32-{kind} in OpenVINO"]
        assert (row["kind"], row["runtime"], row["precision"]) == ("artifact", "openvino", kind)
        assert row["path"] == whole["path"]
        assert row["parity"]["required_min_cosine"] == gate
        assert row["parity"]["min_cosine"] >= gate
        assert row["parity"]["batch_invariance"] >= row["parity"]["required_batch_invariance"] == 0.9999
        assert row["latency_ms"]["1"]["p50"] > 0
        assert row["texts_per_second"] > 0
        assert row["size_mib"] > 0
        assert row["peak_memory_mib"] > 0
    spearman = [
        rows[name]["metrics"]["tiny-regression/test"]["spearman"] for name in ("L3xD32-fp32 in OpenVINO", "L3xD32-fp32")
    ]
    assert spearman[0] == pytest.approx(spearman[1], abs=1e-3)
    assert "mean cosine" in rows["L3xD32-int8 in OpenVINO"]["note"]
    assert report["selected"] == "L3xD32-fp32"
    folder = copied.folder / whole["path"]
    listed = verify_artifact(folder).sha256
    for file in FILES.values():
        assert {file, file.replace(".xml", ".bin")} <= listed.keys()
        assert OnnxEncoder(folder, 1, file).encode(["a big dog"]).shape == (1, 32)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "L3xD32-int8 in OpenVINO" in card
    assert "`openvino/` holds OpenVINO's IR" in card
    other = (copied.folder / rows["L3xD32-int8-dynamic"]["path"] / "README.md").read_text(encoding="utf-8")
    assert "OpenVINO" not in other.split("## Limitations")[0]


@needs_openvino
def test_an_ir_that_misses_its_gate_is_left_out_and_the_rest_goes_on(copied: SmokeRun) -> None:
    gate = ["--set", "export.parity.int8_min_cosine=1.0", "--set", "export.precisions=[fp32]"]
    said = decant("run", copied.recipe, "--out", copied.folder, *BOTH, *gate, "--json")
    assert said.code == 0, said.err
    report = said.json()
    assert [row["name"] for row in report["rows"] if row.get("runtime") == "openvino"] == ["L3xD32-fp32 in OpenVINO"]
    note = next(note for note in report["notes"] if "left out" in note)
    assert note.startswith("L3xD32 in OpenVINO, int8: left out. OpenVINO's int8 IR: min_cosine 0.9")
    assert note in said.err
    listed = verify_artifact(copied.folder / "artifacts" / "L3xD32-fp32").sha256
    assert FILES["int8"] not in listed
    assert FILES["fp32"] in listed


def test_without_the_package_a_line_says_so(copied: SmokeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    what = "the package openvino (pip install 'decant[openvino]')"
    monkeypatch.setattr("pipeline.stages.openvino_irs.missing_for_ir", lambda kind: what)
    said = decant("run", copied.recipe, "--out", copied.folder, "--set", "export.openvino=[fp32]", "--json")
    assert said.code == 0, said.err
    assert f"OpenVINO, fp32: no IR was made; it needs {what}." in said.json()["notes"]
    assert "none made" in said.err
    assert not (copied.folder / "artifacts" / "L3xD32-fp32" / "openvino").exists()


def test_it_needs_the_fp32_artifact(copied: SmokeRun) -> None:
    asked = ["--set", "export.openvino=[int8]", "--set", "export.precisions=[int8-row]"]
    said = decant("validate", copied.recipe, *asked)
    assert said.code == 2
    assert "export.openvino: its files stand in the fp32 artifact; add fp32 to export.precisions" in said.err
