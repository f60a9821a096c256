from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from decant.errors import GateError, InputError
from export.artifact.bundle import verify_artifact
from export.certify.record import RuntimeRecord, Status
from export.certify.runtime_environment import Prepared, Tell
from export.certify.runtimes import Runtime
from pipeline.measure import certification
from pipeline.measure.certification import hold_certificate
from tests.tiny_runs import SmokeRun, decant


@pytest.fixture
def artifact(smoke_run: SmokeRun, tmp_path: Path) -> Path:
    """A copy of the run's artifact."""
    return Path(shutil.copytree(smoke_run.artifact, tmp_path / "artifact"))


def record(status: Status) -> RuntimeRecord:
    return RuntimeRecord(status=status, date="2026-01-02T03:04:05+00:00")


def test_rules_are_written_and_the_artifact_still_verifies(artifact: Path) -> None:
    said = decant("certify", artifact, "--runtimes", "triton,text-embeddings-inference", "--json")
    assert said.code == 0, said.err
    assert {name: one["status"] for name, one in said.json().items()} == {
        "text-embeddings-inference": "rules hold", "triton": "rules hold",
    }  # fmt: skip
    assert "triton: rules hold: 6 rules" in said.err
    written = json.loads((artifact / "decant.json").read_text())["certificate"]
    assert written == said.json()
    assert decant("verify", artifact).code == 0
    quiet = decant("certify", artifact, "--runtimes", "triton", "--quiet")
    assert (quiet.code, quiet.err) == (0, "")
    assert quiet.text == f"wrote what came of one runtime into {artifact / 'decant.json'} and its README.md\n"


def test_a_machine_without_network_is_no_failure_unless_strict(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(runtime: Runtime, cache: Path, tell: Tell) -> Prepared:
        raise InputError("pip install fastembed==0.9.1 failed: no network")

    monkeypatch.setattr(certification, "prepare", no_network)
    said = decant("certify", artifact, "--runtimes", "fastembed")
    assert said.code == 0
    assert "fastembed: not run: pip install fastembed==0.9.1 failed: no network" in said.err
    assert verify_artifact(artifact).certificate["fastembed"].status == "not run"
    strict = decant("certify", artifact, "--runtimes", "fastembed", "--strict")
    assert strict.code == 3
    assert strict.lines[-1] == (
        "decant: gate failed: certificate: fastembed not run; decant.json and the model card say why"
    )


def test_a_name_that_is_none_is_refused(artifact: Path) -> None:
    said = decant("certify", artifact, "--runtimes", "vllm")
    assert said.code == 2
    assert said.lines[-1].startswith("decant: --runtimes vllm: choose from onnxruntime, ")


def test_what_disagrees_fails_and_what_is_missing_only_if_strict() -> None:
    records = {"a": record("agrees"), "b": record("rules hold"), "c": record("not run")}
    hold_certificate(records, strict=False)
    with pytest.raises(GateError, match="certificate: c not run; decant"):
        hold_certificate(records, strict=True)
    hold_certificate({"a": record("agrees"), "f": record("cannot run")}, strict=True)
    with pytest.raises(GateError, match="certificate: f not run; decant"):
        hold_certificate({"f": record("cannot run")}, strict=True)
    hold_certificate({"f": record("cannot run")}, strict=False)
    records |= {"d": record("differs"), "e": record("rules broken")}
    with pytest.raises(GateError, match="certificate: d, e differ; decant"):
        hold_certificate(records, strict=False)
    with pytest.raises(GateError, match="certificate: d, e differ; c not run; decant"):
        hold_certificate(records, strict=True)
