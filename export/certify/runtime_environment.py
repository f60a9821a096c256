"""An environment of its own for each runtime, made once and kept in a cache folder."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from decant.errors import InputError
from export.certify.runtimes import Runtime
from export.deploy.folder import SCRIPTS

Tell = Callable[[str], None]
INSTALL_SECONDS = 1800
HARNESS = SCRIPTS / "harness.py"
COMPLETE = "complete"
OUR_OWN = "the interpreter that Decant runs in"
OWN = "an environment of its own"
IDLE = re.compile(r"^Node\.js v|complete log of this run|notice|^\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Prepared:
    """A runtime that can be started.

    Args:
        command: what stands before a request's and a result's path.
        python: starts the environment's Python; empty for Node.
        said: where it runs, for the certificate.
    """

    command: tuple[str, ...]
    python: tuple[str, ...]
    said: str


def default_cache() -> Path:
    """The user's cache folder for environments, as the platform has it."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "decant" / "runtimes"


def prepare(runtime: Runtime, cache: Path, tell: Tell) -> Prepared:
    """The runtime's environment: this interpreter's where it may be, or the one in the cache, installed if need be.

    Args:
        runtime: of kind python or node.
        cache: holds one folder a runtime and its versions.
        tell: told what is being installed.

    Raises:
        InputError: it cannot be installed; the text says why.
    """
    if runtime.here is not None and importlib.util.find_spec(runtime.here) is not None:
        return in_python((sys.executable,), runtime, OUR_OWN)
    folder = cache / _folder_name(runtime)
    install = _install_node if runtime.kind == "node" else _install_python
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{folder.name}.lock", timeout=INSTALL_SECONDS):
            if not (folder / COMPLETE).is_file():
                shutil.rmtree(folder, ignore_errors=True)
                tell(f"{runtime.name}: installing {', '.join(runtime.packages)} into {folder}")
                install(runtime, folder)
                (folder / COMPLETE).write_text("\n".join(runtime.packages) + "\n", encoding="utf-8")
    except Timeout as error:
        raise InputError(f"another process has been installing into {folder} for half an hour") from error
    except OSError as error:
        raise InputError(f"{cache} cannot be written ({error.strerror}); give --cache another folder") from error
    if runtime.kind == "node":
        return Prepared((_program("node"), str(SCRIPTS / runtime.script), str(folder)), (), OWN)
    return in_python((str(_python(folder)), "-I"), runtime, OWN)  # -I: none of this process's paths


def in_python(python: tuple[str, ...], runtime: Runtime, said: str) -> Prepared:
    """A runtime's script under an interpreter that has its packages."""
    return Prepared((*python, str(HARNESS), str(SCRIPTS / runtime.script)), python, said)


def start(command: Sequence[str], seconds: float, doing: str) -> None:
    """Run a program to its end; nothing of it is shown.

    Raises:
        InputError: it failed or took too long; the text is `doing`, and the line of its output that tells most.
    """
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1"}
    try:
        done = subprocess.run(
            list(command), capture_output=True, text=True, encoding="utf-8", errors="replace", check=False,
            timeout=seconds, env=environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{doing} took longer than {seconds / 60:.0f} minutes") from error
    if done.returncode != 0:
        raise InputError(f"{doing} failed: {_reason(done.stderr or done.stdout, done.returncode)}")


def _install_python(runtime: Runtime, folder: Path) -> None:
    start([sys.executable, "-m", "venv", str(folder)], INSTALL_SECONDS, "making a virtual environment")
    options = ["--disable-pip-version-check", "--no-input", "--quiet"]
    command = [str(_python(folder)), "-I", "-m", "pip", "install", *options, *runtime.packages]
    start(command, INSTALL_SECONDS, f"pip install {' '.join(runtime.packages)}")


def _install_node(runtime: Runtime, folder: Path) -> None:
    """Without the packages' scripts: that of onnxruntime-node would fetch CUDA's libraries."""
    _program("node")
    npm = _program("npm")
    folder.mkdir(parents=True)
    (folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)]
    start([npm, "install", *options, *runtime.packages], INSTALL_SECONDS, f"npm install {' '.join(runtime.packages)}")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise InputError(f"there is no {name} on this machine")
    return found


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _folder_name(runtime: Runtime) -> str:
    """The runtime, its packages' versions, and for Python its own."""
    versions = [re.split("==|@", package)[-1] for package in runtime.packages]
    own = [] if runtime.kind == "node" else [f"py{sys.version_info.major}.{sys.version_info.minor}"]
    return "-".join([runtime.name, *versions, *own])


def _reason(output: str, code: int) -> str:
    """The last line that names an error with what follows it, or else the last line."""
    lines = [line.strip() for line in output.splitlines() if not IDLE.search(line)] or [f"exit code {code}, no message"]
    named = [index for index, line in enumerate(lines) if "error" in line.lower()]
    said = " ".join(lines[named[-1] :]) if named else lines[-1]
    return said if len(said) <= 300 else f"{said[:297]}..."
