"""What the `decant` command leaves with, and which error makes it leave so."""

from __future__ import annotations

from decant.errors import DecantError, GateError, InputError, TemporaryError
from decant.temporary import is_temporary

DONE, DEFECT, BAD_INPUT, GATE_FAILED, TEMPORARY, INTERRUPTED = 0, 1, 2, 3, 75, 130  # 75: EX_TEMPFAIL of sysexits.h


def code_of(error: DecantError | OSError) -> int:
    """The exit code that tells of an error: what may pass by itself apart from what will not."""
    if isinstance(error, TemporaryError) or (isinstance(error, OSError) and is_temporary(error)):
        return TEMPORARY
    if isinstance(error, GateError):
        return GATE_FAILED
    return BAD_INPUT if isinstance(error, InputError | OSError) else DEFECT
