"""An artifact's own session: numpy for a static student, onnxruntime for every other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from decant.files import read_object
from decant.models.folder_files import CONFIG, WEIGHTS
from decant.models.table_folder import is_static
from export.artifact.manifest import Manifest

if TYPE_CHECKING:  # who opens a static student waits for no runtime
    from export.serve.session import OnnxEncoder
    from export.serve.static_session import StaticSession

    Session: TypeAlias = OnnxEncoder | StaticSession


def open_encoder(folder: Path, manifest: Manifest, threads: int | None = None) -> Session:
    """The session that encodes texts fastest here.

    A float32 graph runs on an NVIDIA GPU where there is one that onnxruntime can use; every other, whose numbers are
    made for processors, on the CPU.

    Args:
        folder: the artifact.
        manifest: what `verify_artifact` gave of it.
        threads: threads that work at a time; all that this process may use, unless given.

    Raises:
        InputError: a file is damaged, or is of another kind than the manifest says.
    """
    if manifest.static or manifest.precision != "fp32":
        return open_on_cpu(folder, threads)
    from export.serve.session import OnnxEncoder

    return OnnxEncoder(folder, threads, providers=None)


def open_on_cpu(folder: Path, threads: int | None = None) -> Session:
    """As `open_encoder`, on the CPU whatever else is there; of any folder that holds a session's files."""
    if _is_static(folder):
        from export.serve.static_session import StaticSession

        return StaticSession(folder, threads)
    from export.serve.session import OnnxEncoder

    return OnnxEncoder(folder, threads)


def served_files(folder: Path) -> Path:
    """The file or folder that holds what the session reads, its tokenizer left out: what an artifact's size is of."""
    return folder / (WEIGHTS if _is_static(folder) else "onnx")


def _is_static(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and is_static(read_object(folder / CONFIG))
