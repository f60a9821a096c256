"""Where bfloat16 is worth computing in."""

from __future__ import annotations


def bfloat16_is_native() -> bool:
    """Whether the GPU, or without one the processor, multiplies bfloat16 itself; elsewhere float32 is faster."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
