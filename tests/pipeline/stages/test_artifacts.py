"""What an artifact has earned stays while its files stay, whatever is asked of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from export.artifact.bundle import verify_artifact
from export.certify.certificate import HEADING
from tests.tiny_runs import SmokeRun, decant, read_log

pytestmark = pytest.mark.smoke


@pytest.fixture
def certified(smoke_run: SmokeRun, tmp_path: Path) -> SmokeRun:
    """A copy of the finished run whose float32 artifact has a certificate."""
    shutil.copytree(smoke_run.recipe.parent, tmp_path / "copy")
    copied = SmokeRun(tmp_path / "copy" / "recipe.yaml", tmp_path / "copy" / "run", smoke_run.said)
    said = decant("certify", copied.artifact, "--runtimes", "triton,text-embeddings-inference")
    assert said.code == 0, said.err
    return copied


def run_again(done: SmokeRun, *options: object) -> list[str]:
    """The stages that were made."""
    before = len(done.log())
    said = decant("run", done.recipe, "--out", done.folder, *options)
    assert said.code == 0, said.err
    return [line["stage"] for line in read_log(done.folder)[before:] if line["event"] == "begun"]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_budget_leaves_every_artifact_alone(certified: SmokeRun) -> None:
    before = contents(certified.folder / "artifacts")
    assert run_again(certified) == []
    assert run_again(certified, "--set", "budget.latency_ms=50") == ["report"]
    assert contents(certified.folder / "artifacts") == before


@pytest.mark.parametrize(
    ("options", "made"),
    [
        (["--set", "measure.resamples=150"], ["measure", "artifacts", "report"]),
        (["--set", "export.precisions=[fp32]"], ["graphs", "measure", "artifacts", "report"]),
        (["--from", "artifacts"], ["artifacts", "report"]),
    ],
)
def test_a_certificate_is_taken_over_where_the_files_are_the_same(
    options: list[str], made: list[str], certified: SmokeRun
) -> None:
    before = verify_artifact(certified.artifact)
    assert run_again(certified, *options) == made
    after = verify_artifact(certified.artifact)
    assert after.created >= before.created
    assert set(after.certificate) == {"triton", "text-embeddings-inference"}
    assert after.certificate == before.certificate
    assert (certified.artifact / "README.md").read_text(encoding="utf-8").count(HEADING) == 1
    assert run_again(certified, *options[:2] if options[0] == "--set" else []) == []


def test_another_model_has_earned_nothing(certified: SmokeRun) -> None:
    assert "student" in run_again(certified, "--set", "student.epochs=2")
    assert verify_artifact(certified.artifact).certificate == {}
    assert HEADING not in (certified.artifact / "README.md").read_text(encoding="utf-8")


def test_a_card_does_not_name_what_is_asked(certified: SmokeRun) -> None:
    card = (certified.artifact / "README.md").read_bytes()
    assert run_again(certified, "--from", "artifacts", "--set", "budget={dim: 32, latency_ms: 1000}") == [
        "artifacts", "report",
    ]  # fmt: skip
    assert (certified.artifact / "README.md").read_bytes() == card
