"""What the command line does with signals."""

from __future__ import annotations

import signal
import time
from typing import NoReturn

import pytest

from pipeline.cli import app as cli


class Deaf:
    """Swallows what is raised while it is finalized, as Python does for every object."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_drops_comes_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dropped = []

    def work(standalone_mode: bool) -> NoReturn:
        deaf = Deaf()
        del deaf
        dropped.append(True)  # the exception did not get here
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            time.sleep(0.01)
        raise AssertionError("the interrupt never came")

    monkeypatch.setattr(cli, "INTERRUPT_AGAIN_SECONDS", 0.2)
    monkeypatch.setattr(cli, "app", work)
    with pytest.raises(SystemExit, match=str(cli.INTERRUPTED)):
        cli.main()
    assert dropped == [True]
    assert "interrupted; the same command goes on" in capsys.readouterr().err
    time.sleep(0.5)  # the signal that was on its way is ignored


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory. Error code 12 (Cannot allocate memory)"),
    ],
)
def test_too_little_memory_may_pass(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(standalone_mode: bool) -> NoReturn:
        raise error

    monkeypatch.setattr(cli, "app", work)
    with pytest.raises(SystemExit, match="75"):
        cli.main()
    assert capsys.readouterr().err == "decant: out of memory; lower batch_size or max_length\n"


def test_a_library_that_is_not_installed_is_told_with_what_brings_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(standalone_mode: bool) -> NoReturn:
        raise ModuleNotFoundError("No module named 'peft'", name="peft")

    monkeypatch.setattr(cli, "app", work)
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert capsys.readouterr().err == "decant: peft is not installed: pip install 'decant[bnb]'\n"
