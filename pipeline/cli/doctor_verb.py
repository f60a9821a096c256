"""`decant doctor`: what this machine can run."""

from __future__ import annotations

from typing import Any

import typer

from decant.errors import InputError
from pipeline.cli.options import AsJson, print_json

app = typer.Typer()
FAST_INT8 = {"avx512_vnni", "avx_vnni", "amx_int8", "i8mm"}


@app.command(epilog="Example:\n\n    decant doctor --json")
def doctor(as_json: AsJson = False) -> None:
    """Show what this machine can run: CPU features, threads, memory, GPU, runtimes, data."""
    found = examine()
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        typer.echo(f"{name:<22} {value}")


def examine() -> dict[str, Any]:
    """Machine, libraries, runtimes and data, by name."""
    import onnxruntime

    from pipeline.report.machine import read_environment
    from pipeline.texts.source import DATA_VARIABLE, data_folder

    environment = read_environment()
    try:
        data = str(data_folder() or f"none; set {DATA_VARIABLE} to a folder of public sets, or use the hub")
    except InputError as error:
        data = str(error)
    return {
        "cpu": environment.cpu,
        "cpu features": ", ".join(environment.cpu_features) or "none that matter",
        "cores": environment.cores,
        "memory": f"{environment.memory_gib} GiB",
        "gpu": environment.gpu or "none",
        "training in": _training(),
        "onnxruntime": ", ".join(onnxruntime.get_available_providers()),
        "int8": "fast" if FAST_INT8 & set(environment.cpu_features) else "slow",
        "data": data,
        "os": environment.os,
        "python": environment.python,
        **environment.libraries,
    }


def _training() -> str:
    """The precision that trainings here compute in, or what they lack."""
    from decant.extras import missing_extra

    try:
        from decant.training.optimizer import FitSettings, training_precision

        return training_precision(FitSettings())
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        return missing
