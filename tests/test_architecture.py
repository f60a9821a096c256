"""What holds of the source as a whole."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "export", "students", "teachers", "decant")
PAGE_SUFFIXES = {".jinja", ".css", ".js", ".txt"}
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or ".")
    return names


def test_packages_import_only_those_below_them() -> None:
    for path in SOURCES:
        package = path.relative_to(ROOT).parts[0]
        above = set(PACKAGES[: PACKAGES.index(package)])
        roots = {name.split(".")[0] for name in imported(path)}
        assert not roots & above, f"{path} imports {roots & above}"
        assert "" not in roots, f"{path} imports relatively"


def test_nothing_but_the_command_line_imports_the_command_line() -> None:
    outside = [path for path in SOURCES if path.relative_to(ROOT).parts[:2] != ("pipeline", "cli")]
    assert not [path for path in outside if any(f"{name}.".startswith("pipeline.cli.") for name in imported(path))]


def test_import_linter_agrees() -> None:
    pytest.importorskip("importlinter")
    code = "from importlinter.cli import lint_imports; import sys; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("banned", ["pickle", "cPickle", "dill", "joblib", "marshal", "shelve"])
def test_no_file_imports_what_runs_code_when_it_loads(banned: str) -> None:
    assert not [path for path in SOURCES if banned in {name.split(".")[0] for name in imported(path)}]


def test_nothing_prints_and_no_pickle_is_loaded() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            options = {one.arg: ast.unparse(one.value) for one in node.keywords}
            assert called != "print", f"{path}:{node.lineno} prints"
            assert options.get("trust_remote_code", "False") == "False", f"{path}:{node.lineno}"
            assert options.get("allow_pickle", "False") == "False", f"{path}:{node.lineno}"
            if called == "torch.load":
                assert options.get("weights_only") == "True", f"{path}:{node.lineno} may load a pickle"


LOADERS = {"from_pretrained", "SentenceTransformer", "load_dataset", "distill", "AutoConfig", "AutoTokenizer"}


def test_every_loader_of_models_and_sets_is_told_to_run_no_code_of_theirs() -> None:
    told = 0
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            # torch's Embedding.from_pretrained takes a tensor; model2vec's reads arrays, and has no code to run
            of_arrays = called.startswith(("nn.", "StaticModel."))
            if isinstance(node, ast.Call) and called.rpartition(".")[2] in LOADERS and not of_arrays:
                options = {one.arg: ast.unparse(one.value) for one in node.keywords}
                own = called == "distill" and "model_name" not in options
                assert own or options.get("trust_remote_code") == "False", f"{path}:{node.lineno}"
                told += not own
    assert told >= 7


def test_no_module_is_named_like_a_dependency() -> None:
    assert not {path.stem for path in SOURCES} & {"datasets", "onnx", "torch", "transformers", "lightning", "numpy"}


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_the_pages_files(tmp_path: Path) -> None:
    pytest.importorskip("build")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    assert {path.relative_to(ROOT).as_posix() for path in SOURCES} <= names
    page = [path for path in (ROOT / "pipeline" / "report" / "page").rglob("*") if path.suffix in PAGE_SUFFIXES]
    assert {path.suffix for path in page} == PAGE_SUFFIXES
    assert {path.relative_to(ROOT).as_posix() for path in page} <= names
    assert "export/certify/scripts/transformers_js.mjs" in names
    assert not [name for name in names if name.startswith(("tests/", "configs/"))]
