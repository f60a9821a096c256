"""Which of onnxruntime's execution providers a machine can really use.

`onnxruntime.get_available_providers` names what the package was built with: a GPU build names TensorRT and CUDA
on a machine that has neither, and complains when it is asked for them there.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil

import onnxruntime as ort

Provider = str | tuple[str, dict[str, str]]
CPU: tuple[Provider, ...] = ("CPUExecutionProvider",)
USUAL_TOKENS = 32  # what the shapes in between are tuned for
MOST_TEXTS = 128


def best_providers(max_length: int) -> tuple[Provider, ...]:
    """TensorRT and CUDA, in this order, where there is an NVIDIA GPU and onnxruntime was built for them; then the CPU.

    TensorRT is taken where its package is installed. Its engine is built when the first batch runs, for 1 to 128
    texts of 2 to `max_length` tokens, and again for any batch beyond.

    Args:
        max_length: tokens that the graph takes at most.
    """
    wanted: list[Provider] = []
    if shutil.which("nvidia-smi") is not None:
        ort.preload_dlls()  # CUDA and cuDNN, where they were installed as Python packages
        if importlib.util.find_spec("tensorrt") is not None:
            importlib.import_module("tensorrt")  # loads the libraries that the provider looks for
            wanted.append(("TensorrtExecutionProvider", tensorrt_shapes(max_length)))
        wanted.append("CUDAExecutionProvider")
    present = ort.get_available_providers()
    return tuple(one for one in [*wanted, *CPU] if provider_name(one) in present)


def tensorrt_shapes(max_length: int) -> dict[str, str]:
    """The provider's options that keep it from building an engine for every new length of a batch."""
    shapes = {"min": (1, 2), "opt": (32, min(USUAL_TOKENS, max_length)), "max": (MOST_TEXTS, max_length)}
    return {
        f"trt_profile_{which}_shapes": f"input_ids:{texts}x{tokens},attention_mask:{texts}x{tokens}"
        for which, (texts, tokens) in shapes.items()
    }


def provider_name(provider: Provider) -> str:
    """The provider without its options."""
    return provider if isinstance(provider, str) else provider[0]
