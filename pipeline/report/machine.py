"""The machine and the libraries that figures were measured with: speeds mean nothing without them."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from pydantic import BaseModel, Field

from decant.training.cores import usable_cores
from export.serve.gpu import gpu
from pipeline.measure.set_metrics import IfMeasured

# What int8, bfloat16 and plain float32 kernels choose their code path by.
X86_FEATURES = (
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
)
ARM_FEATURES = ("asimddp", "i8mm", "bf16", "sve")
# onnxruntime is published under several names that install the same module.
LIBRARIES = (
    "decant", "torch", "transformers", "lightning", "tokenizers", "onnxruntime", "onnxruntime-gpu", "onnx",
    "sentence-transformers", "tensorrt-rtx", "tensorrt", "openvino", "nncf", "numpy", "scipy", "scikit-learn",
)  # fmt: skip


class Environment(BaseModel, frozen=True, extra="forbid"):
    """One machine with its software."""

    cpu: str
    cpu_features: tuple[str, ...] = Field(description="of those that kernels choose by; empty where unknown")
    cores: int = Field(ge=1, description="logical cores that this process may use")
    threads: int = Field(ge=1, description="threads that each runtime was given")
    memory_gib: float | None = None
    busy: IfMeasured[float] = Field(default=None, description="share of the cores that others kept busy, 0..1")
    gpu: str | None = Field(default=None, description="name of the first GPU that torch sees")
    os: str
    python: str
    libraries: dict[str, str] = Field(description="installed version by distribution name")


def read_environment(threads: int | None = None) -> Environment:
    """Describe this machine; to be called right before speed is measured, with nothing of our own running.

    Args:
        threads: what the runtimes are given; None: all cores.
    """
    cores = usable_cores()
    name, features = cpu()
    return Environment(
        cpu=name,
        cpu_features=features,
        cores=cores,
        threads=threads or cores,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        busy=busy_share(),
        gpu=gpu_name(),
        os=operating_system(),
        python=platform.python_version(),
        libraries=library_versions(),
    )


def cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, tuple[str, ...]]:
    """Name of the processor and those of its features that matter; elsewhere than on Linux only the name."""
    fallback = platform.processor() or platform.machine() or "unknown"
    if not cpuinfo.is_file():
        return fallback, ()
    return parse_cpuinfo(cpuinfo.read_text(encoding="utf-8"), fallback)


def parse_cpuinfo(text: str, fallback: str) -> tuple[str, tuple[str, ...]]:
    """Read the first processor of /proc/cpuinfo: its model name, and its features in a fixed order.

    Args:
        text: the file.
        fallback: name where the file has none, as on most ARM machines.
    """
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = set(fields.get("flags", "").split())
    arm_flags = set(fields.get("Features", "").split())
    found = [name for name in X86_FEATURES if name in flags] + [name for name in ARM_FEATURES if name in arm_flags]
    return fields.get("model name") or fallback, tuple(found)


def operating_system() -> str:
    """Name and version of the system, and the kind of machine."""
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = f"{platform.system()} {platform.release()}"
    return f"{name}, {platform.machine()}"


def busy_share(seconds: float = 0.3) -> float | None:
    """Watch the cores while this process sleeps: what is busy then is somebody else's, and spoils timings.

    Args:
        seconds: how long to watch.

    Returns:
        Share of all cores, 0..1, time stolen by other virtual machines included; None where the system does not tell.
    """
    try:
        return round(psutil.cpu_percent(seconds) / 100, 2)
    except (OSError, psutil.Error):
        return None


def gpu_name() -> str | None:
    """Name of the first CUDA device that torch sees."""
    found = gpu()
    return found[0] if found is not None else None


def library_versions(names: tuple[str, ...] = LIBRARIES) -> dict[str, str]:
    """Versions of those distributions that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
