"""The `decant` command: its verbs, its signals, its exit codes.

Exit codes: 0 done, 2 bad input, 3 a gate failed or no artifact fits the budget, 75 what may pass by itself (network,
memory, a full disk, another run at work in the folder), 1 a defect, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

import typer

from decant.errors import DONE, INTERRUPTED
from pipeline.cli import (
    analyse_verb,
    bench_verb,
    bundle_verb,
    certify_verb,
    compare_verb,
    cost_verb,
    doctor_verb,
    encode_verb,
    eval_verb,
    init_verb,
    pick_verb,
    plan_verb,
    promote_verb,
    releases_verb,
    report_verb,
    rollback_verb,
    run_verb,
    schedule_verbs,
    validate_verb,
    verify_verb,
)
from pipeline.cli.failures import tell, tell_error

INTERRUPT_AGAIN_SECONDS = 10.0
VERBS = (  # in the order of the help
    init_verb, validate_verb, plan_verb, cost_verb, run_verb, report_verb, compare_verb, pick_verb, analyse_verb,
    doctor_verb, eval_verb, encode_verb, bench_verb, verify_verb, bundle_verb, certify_verb, promote_verb,
    rollback_verb, releases_verb,
)  # fmt: skip

app = typer.Typer(
    help="Distil a slow text-pair model into a small, fast one, and prove what was lost and gained.",
    no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
for verb in VERBS:
    app.add_typer(verb.app)
app.add_typer(schedule_verbs.app, name="schedule")


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM; not a KeyboardInterrupt, which Lightning swallows."""


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # read as torch is loaded; its hints are for developers
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        code = app(standalone_mode=False) or DONE  # what `raise typer.Exit(code)` comes out as
    except Interrupted:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        code = tell("interrupted; the same command goes on from here", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = DONE
    except Exception as error:
        code = tell_error(error)
    sys.exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Python drops an exception that is raised inside a finalizer or a weak reference's callback, so it is sent again
    again = threading.Timer(INTERRUPT_AGAIN_SECONDS, signal.raise_signal, (number,))
    again.daemon = True
    again.start()
    raise Interrupted
