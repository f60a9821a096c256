"""What this machine's processor can do, for tests of numbers that depend on it."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

CPUINFO = Path("/proc/cpuinfo")


def multiplies_whole_bytes() -> bool:
    """Whether products of 8-bit numbers are added without overflow: by VNNI, or on a processor that is not x86."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return True
    flags = CPUINFO.read_text(encoding="utf-8") if CPUINFO.is_file() else ""
    return "avx512_vnni" in flags or "avx_vnni" in flags


needs_vnni = pytest.mark.skipif(
    not multiplies_whole_bytes(), reason="weights of all 8 bits overflow on a processor without VNNI, as documented"
)
