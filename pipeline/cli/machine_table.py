"""What this machine can run."""

from __future__ import annotations

from typing import Any

import onnxruntime

from decant.errors import InputError
from decant.extras import missing_extra
from decant.training.optimizer import FitSettings, training_precision
from pipeline.report.machine import read_environment
from pipeline.texts.source import DATA_VARIABLE, data_folder


def examine() -> dict[str, Any]:
    """Machine, libraries, runtimes and data, by name."""
    environment = read_environment()
    try:
        data = str(data_folder() or f"none; set {DATA_VARIABLE} to a folder of public sets, or use the hub")
    except InputError as error:
        data = str(error)
    features = ", ".join(environment.cpu_features) or "none that matter"
    return {
        "cpu": environment.cpu,
        "cpu features": features,
        "cores": environment.cores,
        "memory": f"{environment.memory_gib} GiB",
        "gpu": environment.gpu or "none",
        "training in": _training(),
        "onnxruntime": ", ".join(onnxruntime.get_available_providers()),
        "int8": "fast" if {"avx512_vnni", "avx_vnni", "amx_int8", "i8mm"} & set(environment.cpu_features) else "slow",
        "data": data,
        "os": environment.os,
        "python": environment.python,
        **environment.libraries,
    }


def _training() -> str:
    """The precision that trainings here compute in, or what they lack."""
    try:
        return training_precision(FitSettings())
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        return missing
