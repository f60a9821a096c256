"""What is loaded before the command line answers: nothing that a verb does not need."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import cli

VERBS = Path(cli.__file__).parent
LIBRARIES = ["torch", "numpy", "transformers", "onnxruntime", "datasets", "lightning", "sklearn", "yaml"]
TRAINING = ["torch", "transformers", "datasets", "lightning", "sklearn"]
LIGHT = ["encode", "init", "pick", "report", "releases", "rollback"]


def loaded(code: str, names: list[str]) -> list[str]:
    """Those of the modules that are loaded once the code has run."""
    told = f"\nimport sys\nsys.stderr.write(' '.join(name for name in {names!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code + told], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr.split()


@pytest.mark.parametrize("arguments", [["--help"], ["promote", "--help"], ["schedule", "add", "--help"]])
def test_the_help_loads_no_library_of_the_verbs(arguments: list[str]) -> None:
    code = f"""
import sys
from pipeline.cli import main
sys.argv = ["decant", *{arguments!r}]
try:
    main()
except SystemExit as stop:
    assert stop.code == 0"""
    assert loaded(code, LIBRARIES) == []
    if arguments == ["--help"]:
        assert loaded(code, ["pydantic"]) == []  # typer itself reads the options of a verb with it


def imports_of(verb: str) -> list[str]:
    """The import statements in the functions of a verb's file."""
    tree = ast.parse((VERBS / f"{verb}_verb.py").read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [ast.unparse(one) for node in functions for one in ast.walk(node) if isinstance(one, ast.ImportFrom)]


@pytest.mark.parametrize("verb", LIGHT)
def test_a_verb_that_trains_nothing_loads_nothing_of_training(verb: str) -> None:
    found = imports_of(verb)
    assert found
    assert loaded("\n".join(found), TRAINING) == []


SAYS_FIRST = """
import sys
from pipeline.cli import main
from pipeline.screen.console import Screen

def first(self, text, total=0):
    loaded = [name for name in ("torch", "transformers", "onnxruntime", "sklearn") if name in sys.modules]
    sys.exit(f"said {text!r} with {loaded}")

Screen.say = Screen._open = first
sys.argv = ["decant", *ARGUMENTS]
main()
"""
FIRST = {
    "run": "quickstart: a run in some/folder",
    "plan": "reading texts and models of quickstart",
    "eval": "reading and scoring pairs",
    "bench": "loading",
    "encode": "loading the artifact",
    "verify": "loading",
    "promote": "loading",
    "certify": "loading",
}


@pytest.mark.parametrize("verb", FIRST)
def test_something_is_said_before_anything_heavy_is_loaded(verb: str, tmp_path: Path) -> None:
    recipe, pairs = Path(cli.__file__).parents[2] / "configs" / "quickstart.yaml", ["--pairs", "pairs.tsv"]
    given = {
        "run": [str(recipe), "--out", "some/folder"], "plan": [str(recipe)], "eval": ["artifact", *pairs],
        "bench": ["artifact", *pairs], "encode": ["artifact", "--format", "jsonl"],
        "promote": ["artifact", "--to", "registry"],
    }  # fmt: skip
    code = SAYS_FIRST.replace("ARGUMENTS", repr([verb, *given.get(verb, ["artifact"])]))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stderr.strip() == f"said {FIRST[verb]!r} with []"
