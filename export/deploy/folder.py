"""Write the folder that a runtime mounts, from an artifact."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from decant.errors import InputError
from decant.files import written_whole
from export.artifact.bundle import Manifest, verify_artifact
from export.certify import scripts
from export.deploy.deploy_readme import DOCKERFILES, readme
from export.deploy.layouts import Convert, write_layout
from export.deploy.target import Target, check_served, read_model
from export.serve.session import OnnxEncoder

SCRIPTS = Path(scripts.__file__).parent


def bundle_artifact(
    artifact: Path, target: Target, out: Path, *, force: bool = False, convert: Convert | None = None
) -> Manifest:
    """Write `out` for one runtime: whole, or not at all.

    Args:
        artifact: as exported.
        target: the runtime.
        out: absent, or an empty folder.
        force: replace what `out` holds.
        convert: OpenVINO's converter; the one of this interpreter, unless given.

    Returns:
        The artifact's manifest.

    Raises:
        InputError: the artifact was changed, its graph cannot be run, the runtime cannot serve it, or `out` is taken.
        GateError: the folder would break a rule of the runtime.
    """
    manifest = verify_artifact(artifact)
    _check_place(artifact, out, force)
    OnnxEncoder(artifact).encode(["one", ""])
    model = read_model(artifact, manifest)
    check_served(model, target)
    with written_whole(out) as written:
        written.mkdir()
        write_layout(model, target, written, convert or convert_here)
        (written / "README.md").write_text(readme(model, target), encoding="utf-8")
        if target in DOCKERFILES:
            (written / "Dockerfile").write_text(DOCKERFILES[target], encoding="utf-8")
    return manifest


def convert_here(graph: Path, xml: Path) -> None:
    """OpenVINO's IR by this interpreter's openvino.

    Raises:
        InputError: it is not installed, or cannot convert the graph.
    """
    if importlib.util.find_spec("openvino") is None:
        raise InputError("openvino is not installed, and writes the IR; install it: pip install 'decant[openvino]'")
    convert_by((sys.executable,), graph, xml)


def convert_by(python: Sequence[str], graph: Path, xml: Path) -> None:
    """OpenVINO's IR by an interpreter that has openvino.

    Args:
        python: starts it.
        graph: an ONNX file.
        xml: written, with a .bin beside it.

    Raises:
        InputError: openvino cannot convert the graph.
    """
    command = [*python, str(SCRIPTS / "openvino_convert.py"), str(graph), str(xml)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it told no reason"])[-1]
        raise InputError(f"openvino cannot convert {graph}: {said}; serve it by another runtime")


def _check_place(artifact: Path, out: Path, force: bool) -> None:
    inside, whole = out.resolve(), artifact.resolve()
    if inside.is_relative_to(whole) or whole.is_relative_to(inside):
        raise InputError(f"{out} would lie in the artifact or hold it; give --out a folder apart from {artifact}")
    if out.is_file():
        raise InputError(f"{out} is a file; give --out a folder")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise InputError(f"{out} is not empty; give --out another folder, or --force to replace it")
