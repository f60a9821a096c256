"""The GPU that a machine has, or none."""

from __future__ import annotations

import warnings


def gpu() -> tuple[str, str] | None:
    """Name and compute capability, such as 9.0, of the first CUDA device; None where there is none, or no torch."""
    try:
        import torch
    except ModuleNotFoundError:
        return None

    with warnings.catch_warnings():  # a CUDA build of torch warns where there is no driver
        warnings.simplefilter("ignore")
        if not torch.cuda.is_available():
            return None
    major, minor = torch.cuda.get_device_capability(0)
    return str(torch.cuda.get_device_name(0)), f"{major}.{minor}"
