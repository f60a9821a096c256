"""`pip install decant` serves, measures and reads; what trains is the extra `train`, and is asked for by its name."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from decant.extras import EXTRAS, missing_extra
from tests.suite_data import write_suite
from tests.tiny_artifacts import tiny_reranker
from tests.tiny_runs import SmokeRun

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HEAVY = (
    "torch",
    "transformers",
    "lightning",
    "datasets",
    "sklearn",
    "onnx",
    "optimum",
    "pandas",
    "pyarrow",
    "matplotlib",
)
MODULES = {  # of distributions that are called otherwise
    "apscheduler": "apscheduler", "huggingface-hub": "huggingface_hub", "scikit-learn": "sklearn",
    "mlflow-skinny": "mlflow", "sentence-transformers": "sentence_transformers", "tensorrt-rtx": "tensorrt_rtx",
}  # fmt: skip
BLOCKED = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
"""
ONE_BY_ONE = """
import sys
from pipeline.cli import main
for line in sys.argv[1:]:
    sys.argv = ["decant", *line.split("|")]
    sys.stdin = open(TEXTS)
    try:
        main()
    except SystemExit as stop:
        if stop.code:
            sys.exit(f"decant {line}: exit code {stop.code}")
"""


def distribution(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9-]", requirement)[0].removesuffix("-gpu")


def verbs(run: SmokeRun, reranker: Path, place: Path) -> list[str]:
    """Every verb that the base has, its arguments joined by |."""
    artifact, other = run.artifact, next(run.folder.glob("artifacts/*-int8-dynamic"))
    test, registry = run.recipe.parent / "test.tsv", place / "registry"
    suite, content = write_suite(place / "suite")
    without_classes = {name: one for name, one in content.items() if one["kind"] != "classes"}
    suite.write_text(yaml.safe_dump(without_classes), encoding="utf-8")
    compared = place / "another" / run.folder.name
    compared.parent.mkdir()
    compared.symlink_to(run.folder)
    pairs = f"--pairs|{test}"
    return [
        f"encode|{artifact}", f"encode|{other}|--format|jsonl", f"eval|{artifact}|{pairs}", f"verify|{artifact}",
        f"eval|{artifact}|--sets|{suite}|--compare|{other}",
        f"verify|{reranker}|--json", f"pick|{run.folder}|--json", f"report|{run.folder}",
        *(f"bundle|{artifact}|--for|{name}|--out|{place / name}" for name in ("ort", "st", "triton")),
        f"bench|{artifact}|{pairs}|--rounds|1", f"promote|{artifact}|--to|{registry}|{pairs}",
        f"promote|{other}|--to|{registry}|{pairs}|--margin|100|--min-invariance|-1", f"rollback|{registry}",
        f"releases|{registry}", "doctor",
    ]  # fmt: skip


def called(python: str, code: str, run: SmokeRun, lines: Sequence[str], place: Path) -> str:
    """What the verbs print, all of which must end well."""
    code = code.replace("TEXTS", repr(str(run.recipe.parent / "sentences.txt")))
    done = subprocess.run([python, "-I", "-c", code, *lines], cwd=place, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(errors="replace")


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_reranker(tmp_path_factory.mktemp("rerankers") / "reranker")


def test_the_base_is_small_and_holds_nothing_that_trains() -> None:
    base = {distribution(one) for one in PROJECT["dependencies"]}
    assert len(base) <= 14
    modules = {MODULES.get(name, name) for name in base}
    assert not modules & {module for names in EXTRAS.values() for module in names}


def test_every_extra_names_the_modules_it_brings() -> None:
    extras = PROJECT["optional-dependencies"]
    for extra, modules in EXTRAS.items():
        brought = {distribution(one) for one in extras[extra]}
        named = {MODULES.get(name, name).replace("-", "_") for name in brought} - {"decant", "tzdata"}
        elsewhere = {name for other in EXTRAS if other != extra for name in EXTRAS[other]}
        assert named <= set(modules) | elsewhere, extra


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("torch", "torch is not installed: pip install 'decant[train]'"),
        ("lightning.pytorch", "lightning is not installed: pip install 'decant[train]'"),
        ("s3fs", "s3fs is not installed: pip install 'decant[s3]'"),
        ("nobody_knows", None),
    ],
)
def test_what_is_missing_is_told_with_its_extra(module: str, said: str | None) -> None:
    assert missing_extra(ModuleNotFoundError(f"No module named {module!r}", name=module)) == said


def test_every_verb_of_the_base_runs_without_what_trains(smoke_run: SmokeRun, reranker: Path, tmp_path: Path) -> None:
    lines = verbs(smoke_run, reranker, tmp_path)
    said = called(
        sys.executable,
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{BLOCKED}{ONE_BY_ONE}",
        smoke_run,
        lines,
        tmp_path,
    )
    assert "It was not compared with PyTorch: torch is not installed: pip install 'decant[train]'" in said
    assert "promoted" in said


def test_a_set_of_classes_says_what_it_needs(smoke_run: SmokeRun, tmp_path: Path) -> None:
    suite, _ = write_suite(tmp_path / "suite")
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{BLOCKED}from pipeline.cli import main; main()"
    command = [sys.executable, "-c", code, "eval", str(smoke_run.artifact), "--sets", str(suite)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert said.stderr.splitlines()[-1] == "decant: sklearn is not installed: pip install 'decant[train]'"


@pytest.mark.slow
def test_the_wheel_alone_runs_them(smoke_run: SmokeRun, reranker: Path, tmp_path: Path) -> None:
    pytest.importorskip("build")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", str(next(tmp_path.glob("*.whl")))]
    subprocess.run([*install, "-c", str(ROOT / "constraints.txt")], check=True, capture_output=True)
    listed = subprocess.run([python, "-m", "pip", "list"], check=True, capture_output=True, text=True).stdout
    assert "onnxruntime" in listed
    assert not re.search(r"^(torch|transformers|onnx|pandas|scikit-learn)\s", listed, re.MULTILINE)
    other = tmp_path / "place"
    other.mkdir()
    said = called(python, ONE_BY_ONE, smoke_run, verbs(smoke_run, reranker, other), other)
    assert "It was not compared with PyTorch" in said
