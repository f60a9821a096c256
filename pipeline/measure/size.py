"""How much disk, memory and how many parameters a model takes."""

import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch takes seconds to import, and a fresh process that measures memory must stay lean
    from torch import nn

MIB = 2**20


def size_mib(path: Path) -> float:
    """Size of a file, or of all files below a folder, in MiB (2**20 bytes).

    Raises:
        FileNotFoundError: nothing there.
    """
    if path.is_file():
        return path.stat().st_size / MIB
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such file or folder")
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / MIB


def parameter_count(module: "nn.Module") -> int:
    """Number of parameters, shared ones counted once, and 4-bit ones singly though two share a byte."""
    packed = ((parameter, getattr(parameter, "quant_state", None)) for parameter in module.parameters())
    return sum(parameter.numel() if state is None else math.prod(state.shape) for parameter, state in packed)


def peak_memory_mib() -> float | None:
    """Most memory this process has held so far (resident set), in MiB; None where the system does not tell.

    Linux: VmHWM. `ru_maxrss` there starts at what the parent process held, so it is only read elsewhere.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    if sys.platform != "darwin":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


def peak_memory_of(code: str, arguments: Sequence[str] = (), timeout_s: float = 600) -> float | None:
    """Run Python code in a fresh interpreter and return the most memory it held, in MiB.

    A whole run's peak hides which model took it; loading and running one model alone shows it.

    Args:
        code: Python source; it finds `arguments` in sys.argv[1:].
        arguments: strings for it.
        timeout_s: how long it may take.

    Returns:
        MiB, the interpreter's own (about 30 with numpy) included, or None where the system does not tell.

    Raises:
        RuntimeError: the code failed; the message ends with the last line it wrote to stderr.
    """
    ending = "\nfrom pipeline.measure.size import peak_memory_mib as _peak\nimport sys as _sys\n"
    ending += "_sys.stdout.write(f'\\n{_peak()}')\n"
    command = [sys.executable, "-c", code + ending, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no message"]
        raise RuntimeError(f"measuring memory failed: {said[-1]}")
    peak = done.stdout.splitlines()[-1]
    return None if peak == "None" else float(peak)
