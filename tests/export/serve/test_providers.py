from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from export.serve.providers import CPU, best_providers, provider_name, tensorrt_shapes
from export.serve.session import OnnxEncoder
from tests.export.conftest import TEXTS

EVERY = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]


@pytest.fixture
def built_with(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A machine with a GPU, TensorRT, and an onnxruntime that was built with every provider; to be changed."""
    machine: dict[str, object] = {"nvidia-smi": "/usr/bin/nvidia-smi", "tensorrt": object(), "providers": EVERY}
    loaded: list[str] = []
    machine["loaded"] = loaded
    monkeypatch.setattr("onnxruntime.preload_dlls", lambda: loaded.append("CUDA"))
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: machine["providers"])
    monkeypatch.setattr("shutil.which", machine.get)
    monkeypatch.setattr(importlib.util, "find_spec", machine.get)
    monkeypatch.setattr(importlib, "import_module", loaded.append)
    return machine


def names(max_length: int = 64) -> list[str]:
    return [provider_name(one) for one in best_providers(max_length)]


def test_tensorrt_and_cuda_come_first_where_they_are(built_with: dict[str, object]) -> None:
    assert names() == EVERY
    assert built_with["loaded"] == ["CUDA", "tensorrt"]


def test_without_the_package_tensorrt_is_not_asked_for(built_with: dict[str, object]) -> None:
    built_with["tensorrt"] = None
    assert names() == EVERY[1:]


def test_without_a_driver_only_the_cpu_is_left_whatever_onnxruntime_was_built_with(
    built_with: dict[str, object],
) -> None:
    built_with["nvidia-smi"] = None
    assert names() == EVERY[2:]
    assert built_with["loaded"] == []


def test_what_onnxruntime_was_built_without_is_left_out(built_with: dict[str, object]) -> None:
    built_with["providers"] = EVERY[2:]
    assert names() == EVERY[2:]


def test_tensorrt_is_given_every_shape_at_once() -> None:
    options = tensorrt_shapes(16)
    assert options["trt_profile_min_shapes"] == "input_ids:1x2,attention_mask:1x2"
    assert options["trt_profile_opt_shapes"] == "input_ids:32x16,attention_mask:32x16"
    assert options["trt_profile_max_shapes"] == "input_ids:128x16,attention_mask:128x16"


def test_the_best_here_runs_and_says_nothing(artifact: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from export.serve.session import OnnxEncoder\n"
        "print(OnnxEncoder(Path(sys.argv[1]), 1, providers=None).encode(['a dog']).shape)"
    )
    command = [sys.executable, "-c", code, str(artifact)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(1, 24)\n", "")


def test_measured_runs_stay_on_the_cpu(artifact: Path, built_with: dict[str, object]) -> None:
    served = OnnxEncoder(artifact, threads=1)
    assert served._session.get_providers() == list(CPU)
    assert served.encode(TEXTS).shape == (len(TEXTS), 24)
    assert built_with["loaded"] == []
