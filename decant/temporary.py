"""Which failures may pass by themselves: a network that is away, a full disk, too little memory."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from decant.errors import InputError, TemporaryError

# by name, since httpx, requests and Python have classes of their own for the same, and none depends on another
PASSING = {"ConnectionError", "TimeoutError", "Timeout", "TransportError", "gaierror", "MemoryError"}
STANDING = {"OfflineModeIsEnabled"}  # the user's own wish, as an error of the network
NUMBERS = {
    errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EHOSTDOWN,
}  # fmt: skip
TOO_MANY_REQUESTS, SERVER_ERRORS = 429, 500


def is_temporary(error: BaseException) -> bool:
    """Whether the same may go well another time, by the error or by what it was raised from."""
    chain = list(_causes(error))
    if any(STANDING & _names(one) or any(name in str(one) for name in STANDING) for one in chain):
        return False
    return any(PASSING & _names(one) or _number_passes(one) or _answer_passes(one) for one in chain)


def raised_for(error: BaseException) -> type[InputError]:
    """What to raise for an error of a library: TemporaryError where it may pass by itself."""
    return TemporaryError if is_temporary(error) else InputError


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _number_passes(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in NUMBERS


def _answer_passes(error: BaseException) -> bool:
    """Whether a server answered that it could not, rather than that there is no such thing."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return isinstance(status, int) and (status == TOO_MANY_REQUESTS or status >= SERVER_ERRORS)
