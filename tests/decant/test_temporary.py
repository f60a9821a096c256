import errno
import os
from importlib import import_module
from types import SimpleNamespace

import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from decant.errors import InputError, TemporaryError
from decant.temporary import is_temporary, raised_for

http = import_module(HfHubHTTPError.__bases__[0].__module__.partition(".")[0])  # the hub's own, of either name


class Answered(Exception):
    """A server's answer, as libraries of HTTP raise it."""

    def __init__(self, status: int) -> None:
        self.response = SimpleNamespace(status_code=status)


def system_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def not_found(cause: BaseException | None) -> Exception:
    """What the hub raises where its answer is missing."""
    try:
        raise LocalEntryNotFoundError("nothing here") from cause
    except LocalEntryNotFoundError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        system_error(errno.ENOSPC), system_error(errno.EHOSTUNREACH), system_error(errno.ECONNREFUSED), TimeoutError(),
        MemoryError(), http.ConnectTimeout("late"), not_found(http.ConnectError("no route")), Answered(429),
        not_found(Answered(503)),
    ],
    ids=repr,
)  # fmt: skip
def test_what_may_pass(error: Exception) -> None:
    assert is_temporary(error)
    assert raised_for(error) is TemporaryError


@pytest.mark.parametrize(
    "error",
    [
        system_error(errno.EACCES), system_error(errno.EFBIG), FileNotFoundError("x"), ValueError("x"), Answered(404),
        not_found(None), not_found(Answered(403)), not_found(OfflineModeIsEnabled("as asked")),
        ConnectionError("Couldn't reach 'x' on the Hub (OfflineModeIsEnabled)"),
    ],
    ids=repr,
)  # fmt: skip
def test_what_will_not(error: Exception) -> None:
    assert not is_temporary(error)
    assert raised_for(error) is InputError
