"""What the `decant` command leaves with, and which error makes it leave so."""

from __future__ import annotations

from teachers.errors import DecantError, GateError, InputError, TransientError
from teachers.transient import may_pass

DONE, DEFECT, BAD_INPUT, GATE_FAILED, TEMPORARY, INTERRUPTED = 0, 1, 2, 3, 75, 130  # 75: EX_TEMPFAIL of sysexits.h


def code_of(error: DecantError | OSError) -> int:
    """The exit code that tells of an error: what may pass by itself apart from what will not."""
    if isinstance(error, TransientError) or (isinstance(error, OSError) and may_pass(error)):
        return TEMPORARY
    if isinstance(error, GateError):
        return GATE_FAILED
    return BAD_INPUT if isinstance(error, InputError | OSError) else DEFECT
