"""How much of the cores others keep busy while this process is at work, which spoils what it times."""

from __future__ import annotations

import time
from collections.abc import Callable

LEAST_SECONDS = 1.0  # of all cores together: the system counts in hundredths, two of them a core at most are lost
CoreSeconds = tuple[float, float]


class OtherLoad:
    """Watches the cores from when it is made.

    Args:
        cores: seconds in all, and of these the busy ones, of the cores that this process may use; None: not known.
        own: seconds of them that this process was busy, its threads together.
    """

    def __init__(
        self, cores: Callable[[], CoreSeconds | None] | None = None, own: Callable[[], float] = time.process_time
    ) -> None:
        self._cores, self._own = cores or core_seconds, own
        self._at = self._cores(), self._own()

    def share(self) -> float | None:
        """Share of the cores that others kept busy so far, 0..1, time stolen by other virtual machines included.

        None where the system does not tell, or after less than a second of the cores.
        """
        (before, own_before), after = self._at, self._cores()
        if before is None or after is None or after[0] - before[0] < LEAST_SECONDS:
            return None
        others = after[1] - before[1] - (self._own() - own_before)
        return round(min(1.0, max(0.0, others / (after[0] - before[0]))), 3)


def core_seconds() -> CoreSeconds | None:
    """Seconds in all and busy ones since the system started, of the cores that this process may use."""
    import psutil

    try:
        each, usable = psutil.cpu_times(percpu=True), psutil.Process()
        allowed = usable.cpu_affinity() if hasattr(usable, "cpu_affinity") else range(len(each))
        chosen = [each[core]._asdict() for core in allowed if core < len(each)]
    except (OSError, psutil.Error):
        return None
    # a guest's time is within the user's
    whole = sum(seconds for core in chosen for kind, seconds in core.items() if not kind.startswith("guest"))
    idle = sum(core.get(kind, 0.0) for core in chosen for kind in ("idle", "iowait"))
    return whole, whole - idle
