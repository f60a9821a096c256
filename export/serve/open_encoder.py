"""An artifact's own session: numpy for a static student, onnxruntime for every other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from export.artifact.manifest import Manifest

if TYPE_CHECKING:  # who opens a static student waits for no runtime
    from export.serve.session import OnnxEncoder
    from export.serve.static_session import StaticSession


def open_encoder(folder: Path, manifest: Manifest, threads: int | None = None) -> OnnxEncoder | StaticSession:
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
    if manifest.static:
        from export.serve.static_session import StaticSession

        return StaticSession(folder, threads)
    from export.serve.providers import CPU
    from export.serve.session import OnnxEncoder

    return OnnxEncoder(folder, threads, providers=None if manifest.precision == "fp32" else CPU)
