import subprocess
import sys
import time

import pytest

from pipeline.measure.other_load import OtherLoad, core_seconds


def share(before: tuple[float, float] | None, after: tuple[float, float] | None, own: float = 0.0) -> float | None:
    cores, process = iter([before, after]), iter([5.0, 5.0 + own])
    return OtherLoad(lambda: next(cores), lambda: next(process)).share()


def test_what_this_process_did_is_not_others() -> None:
    # of 20 seconds of the cores 8 were busy, 5 of them by this process
    assert share((100.0, 40.0), (120.0, 48.0), own=5.0) == pytest.approx(0.15)
    assert share((100.0, 40.0), (120.0, 45.0), own=5.0) == 0
    assert share((100.0, 40.0), (120.0, 44.0), own=5.0) == 0, "the system counts coarsely"


def test_too_short_or_not_told_is_not_known() -> None:
    assert share((100.0, 40.0), (100.5, 40.5)) is None
    assert share(None, None) is None


def test_another_process_is_seen() -> None:
    if core_seconds() is None:
        pytest.skip("this system does not tell")
    code = "import time; end = time.monotonic() + 20\nwhile time.monotonic() < end: pass"
    with subprocess.Popen([sys.executable, "-c", code]) as other:
        try:
            load = OtherLoad()
            time.sleep(2)
            found = load.share()
        finally:
            other.kill()
    assert found is not None
    assert found > 0.01
