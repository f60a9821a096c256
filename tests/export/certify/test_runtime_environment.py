from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from decant.errors import InputError
from export.certify import runtime_environment as environment
from export.certify.runtime_environment import COMPLETE, OUR_OWN, OWN, default_cache, prepare, start
from export.certify.runtimes import RUNTIMES, Runtime, runtimes_of

PYTHON = Runtime("probe", "ort", packages=("one==1.0", "two[x]==2.5"), script="probe.py")
WEB = "@scope/web@3.1.0"
NODE = Runtime("web", "transformers.js", "node", packages=(WEB,), script="web.mjs")


class Commands:
    """Stands in for the programs that would be started."""

    def __init__(self) -> None:
        self.started: list[list[str]] = []

    def __call__(self, command: list[str], seconds: float, doing: str) -> None:
        self.started.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir()


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Installs nothing, and remembers what would have been."""
    started = Commands()
    monkeypatch.setattr(environment, "start", started)
    monkeypatch.setattr(environment.shutil, "which", lambda name: f"/bin/{name}")
    return started


def test_python_gets_an_environment_of_its_own_once(commands: Commands, tmp_path: Path) -> None:
    told: list[str] = []
    prepared = prepare(PYTHON, tmp_path / "cache", told.append)
    version = f"py{sys.version_info.major}.{sys.version_info.minor}"
    folder = tmp_path / "cache" / f"probe-1.0-2.5-{version}"
    assert told == [f"probe: installing one==1.0, two[x]==2.5 into {folder}"]
    assert [command[-2:] for command in commands.started] == [["venv", str(folder)], ["one==1.0", "two[x]==2.5"]]
    assert prepared.python == (str(folder / "bin" / "python"), "-I")
    assert prepared.said == OWN
    assert [Path(part).name for part in prepared.command[-2:]] == ["harness.py", "probe.py"]
    assert prepare(PYTHON, tmp_path / "cache", told.append) == prepared
    assert len(commands.started) == 2, "it is there already"


def test_an_environment_that_was_not_finished_is_made_again(commands: Commands, tmp_path: Path) -> None:
    prepare(PYTHON, tmp_path, print)
    folder = next(path for path in tmp_path.iterdir() if path.is_dir())
    (folder / COMPLETE).unlink()
    (folder / "half").write_text("x")
    prepare(PYTHON, tmp_path, print)
    assert len(commands.started) == 4
    assert not (folder / "half").exists()


def test_node_packages_run_no_scripts_when_they_are_installed(commands: Commands, tmp_path: Path) -> None:
    prepared = prepare(NODE, tmp_path, print)
    folder = tmp_path / "web-3.1.0"
    assert commands.started == [
        ["/bin/npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder), WEB],
    ]  # fmt: skip
    assert json.loads((folder / "package.json").read_text()) == {"private": True}
    assert prepared.command[0] == "/bin/node"
    assert prepared.command[2] == str(folder)


def test_a_machine_without_node_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="there is no node on this machine"):
        prepare(NODE, tmp_path, print)


def test_this_interpreter_serves_where_it_has_the_module(commands: Commands, tmp_path: Path) -> None:
    here = Runtime("st", "st", packages=("x==1",), script="st.py", here="json")
    prepared = prepare(here, tmp_path / "cache", print)
    assert (prepared.python, prepared.said) == ((sys.executable,), OUR_OWN)
    absent = Runtime("st", "st", packages=("x==1",), script="st.py", here="no_such_module")
    assert prepare(absent, tmp_path / "cache", print).said == OWN
    assert len(commands.started) == 2


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise ValueError('no such operator')", "ValueError: no such operator"),
        ("import sys; sys.exit('ERROR: none found\\nnotice: a new release')", "ERROR: none found"),
        ("import sys; sys.stderr.write('Error: lost\\nNode.js v20.1.0\\n'); sys.exit(1)", "Error: lost"),
        ("raise RuntimeError('in plugin.cpp:\\n  no such shape')", "RuntimeError: in plugin.cpp: no such shape"),
        ("import sys; sys.exit(7)", "exit code 7, no message"),
    ],
)  # fmt: skip
def test_a_program_that_fails_tells_why(code: str, reason: str) -> None:
    with pytest.raises(InputError, match=f"^trying it failed: {reason}$"):
        start([sys.executable, "-c", code], 60, "trying it")


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(InputError, match="trying it took longer than 0 minutes"):
        start([sys.executable, "-c", "import time; time.sleep(60)"], 0.2, "trying it")


def test_the_cache_is_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "decant" / "runtimes"


def test_runtimes_are_found_by_name_in_one_order() -> None:
    assert runtimes_of(None) == list(RUNTIMES)
    assert [runtime.name for runtime in runtimes_of(["triton", " fastembed "])] == ["fastembed", "triton"]
    with pytest.raises(InputError, match="--runtimes vllm: choose from onnxruntime, sentence-transformers, "):
        runtimes_of(["onnxruntime", "vllm"])
    with pytest.raises(InputError, match="--runtimes nothing: choose from"):
        runtimes_of([""])


def test_every_runtime_has_its_script_and_exact_versions() -> None:
    for runtime in RUNTIMES:
        assert runtime.kind == "rules" or (environment.SCRIPTS / runtime.script).is_file()
        assert all(len(package.rsplit("@" if runtime.kind == "node" else "==", 1)) == 2 for package in runtime.packages)
