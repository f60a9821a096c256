"""What the command line says of an error, on stderr, and the exit code that it leaves with."""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from collections.abc import Callable

from decant.errors import BAD_INPUT, DEFECT, TEMPORARY, DecantError, GateError, shown
from decant.secrets import redacted
from decant.temporary import raised_for
from pipeline.screen.log_lines import asked_format, log_line

NO_ROOM = {
    errno.ENOSPC: "free space or choose another folder with --out",
    errno.EDQUOT: "free space or choose another folder with --out",
    errno.EFBIG: "raise the limit (ulimit -f), or choose a file system with --out that takes larger files",
}
OUT_OF_MEMORY = "out of memory; lower batch_size or max_length"
CUT_SHORT = re.compile(r"\d+ requested and \d+ written")  # numpy's words; it does not tell which of the two it was


def tell(message: str, code: int, trace: str = "") -> int:
    """Tell of an error, each of its lines, in the format that the command line asks for; the trace of a defect too."""
    lines, trace = [shown(line) for line in message.split("\n")], redacted(trace)
    if asked_format(sys.argv[1:], os.environ) == "json":
        facts = {"trace": trace} if trace else {}
        sys.stderr.write(log_line("error", "failed", exit_code=code, message="; ".join(lines), **facts))
    else:
        sys.stderr.write(trace + "".join(f"decant: {line}\n" for line in lines))
    return code


def tell_error(error: Exception) -> int:
    """Tell of the error that is being handled; its exit code."""
    if isinstance(error, DecantError):
        return tell(f"gate failed: {error}" if isinstance(error, GateError) else str(error), error.exit_code)
    if isinstance(error, OSError):
        return _tell_of_system(error)
    usage: Callable[[], str] | None = getattr(error, "format_message", None)  # click's usage errors
    if usage is not None:
        if not usage():  # no command at all: the help is shown already
            return BAD_INPUT
        remedy = "`decant --help` and `decant COMMAND --help` tell what there is"
        return tell(f"{usage().rstrip('.')}; {remedy}", BAD_INPUT)
    of_torch = type(error).__name__ == "OutOfMemoryError" or os.strerror(errno.ENOMEM) in str(error)
    if isinstance(error, MemoryError) or of_torch:
        return tell(OUT_OF_MEMORY, TEMPORARY)
    for number in NO_ROOM:  # safetensors and torch have errors of their own for a full disk
        if os.strerror(number) in str(error):
            return _tell_of_system(OSError(number, os.strerror(number)))
    missing = _missing_extra(error)
    if missing is not None:
        return tell(missing, BAD_INPUT)
    return tell(f"a defect in Decant: {type(error).__name__}: {error}", DEFECT, traceback.format_exc())


def _tell_of_system(error: OSError) -> int:
    if CUT_SHORT.fullmatch(str(error)):  # numpy's: a full disk, most often
        what = f"{os.strerror(errno.ENOSPC)}, or {os.strerror(errno.EFBIG)}; {NO_ROOM[errno.ENOSPC]}"
        return tell(what, TEMPORARY)
    where = f"{error.filename}: " if error.filename else ""
    remedy = NO_ROOM.get(error.errno or 0)
    said = f"{where}{error.strerror or error}" + (f"; {remedy}" if remedy else "")
    return tell(said, raised_for(error).exit_code)


def _missing_extra(error: Exception) -> str | None:
    if not isinstance(error, ModuleNotFoundError):
        return None
    from decant.extras import missing_extra

    return missing_extra(error)
