"""How many cores this process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Logical cores that this process may run on, 1 or more; in a container they may be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
