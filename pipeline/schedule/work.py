"""One run of a schedule: the lock, the change detector, `decant run`, `certify` and `promote`, a line of history."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from decant.errors import (
    BAD_INPUT,
    DEFECT,
    DONE,
    GATE_FAILED,
    INTERRUPTED,
    TEMPORARY,
    DecantError,
    InputError,
)
from decant.temporary import raised_for
from pipeline.pick.run_pick import ARTIFACTS
from pipeline.registry import REGISTRY_VARIABLE
from pipeline.registry.settings import promotion_settings
from pipeline.schedule.attempts import Outcome, attempt
from pipeline.schedule.changes import pairs_snapshot, state_of, what_changed, with_inputs
from pipeline.schedule.finished import finished_run, not_run
from pipeline.schedule.last_run import write_schedule
from pipeline.schedule.lock import recipe_lock
from pipeline.schedule.spec import Schedule
from pipeline.schedule.store import Store

DECANT = (sys.executable, "-m", "pipeline.cli")
SETTLED = ("done", "promoted", "refused")  # the same inputs would come to the same end


@dataclass(frozen=True)
class Worked:
    """What came of a run: done, promoted, refused, skipped, failed or interrupted, and why."""

    state: str
    said: str
    attempts: int = 0
    log: str = ""
    code: int = DONE


def work(
    store: Store, home: Path, name: str, cause: str, *, if_changed: bool, say: Callable[[str], None],
    prometheus: Path | None = None,
) -> Worked:  # fmt: skip
    """Run a schedule once, now.

    Args:
        store: holds the schedule, and gets a line of history.
        home: folder of logs and locks.
        name: the schedule's.
        cause: for the history: schedule, or by hand.
        if_changed: leave it where data, recipe and code are those of the last run.
        say: shows what is at work.
        prometheus: folder for a file of how it ended; None: none is written.

    Raises:
        InputError: there is no such schedule.
        TemporaryError: the database cannot be reached; the history shows the run as lost from its next one on.
    """
    schedule = store.planned(name).schedule
    number = store.begin(name, cause)
    worked = Worked("failed", "a defect of the scheduler", code=DEFECT)
    log = home / "logs" / name / f"{number:06d}.log"
    try:
        with recipe_lock(home, schedule.recipe) as descriptor:
            if descriptor is None:
                worked = Worked("skipped", "another run of this recipe is at work")
                return worked
            store.close_lost(name, number)
            settled = store.settled(name)
            changed = what_changed(schedule, settled)
            if if_changed and changed is None:
                worked = Worked("skipped", "nothing changed in data, recipe and code")
                return worked
            say(f"{name}: {f'changed: {changed}' if changed else 'again, though nothing changed'}; {log}")
            worked, state = _worked(schedule, log, descriptor)
            store.settle(name, state if worked.state in SETTLED else None)
            return worked
    except DecantError as error:  # the database may be back for the line of history
        worked = Worked("failed", str(error), worked.attempts, worked.log, error.exit_code)
        return worked
    except OSError as error:
        said = f"{error.filename or schedule.run}: {error.strerror or error}"
        worked = Worked("failed", said, code=raised_for(error).exit_code)
        return worked
    except BaseException:
        worked = Worked("interrupted", "stopped from outside; the next run goes on from there")
        raise
    finally:
        store.end(number, worked.state, worked.said, worked.attempts, worked.log)
        if prometheus is not None:
            write_schedule(store, name, prometheus, say)


def _worked(schedule: Schedule, log: Path, descriptor: int) -> tuple[Worked, dict[str, Any]]:
    state, pairs = state_of(schedule), pairs_snapshot(schedule)

    def tried(command: list[str], environment: Mapping[str, str] | None = None) -> Outcome:
        return attempt(command, log, schedule.retries, schedule.backoff_s, [descriptor], environment)

    ran = _but_for_left_out(tried(run_command(schedule)), Path(schedule.run))
    state = with_inputs(state, schedule, pairs)
    if ran.code != DONE or schedule.promote_to is None:
        return _told(ran, "done", log), state
    before = [ran]
    certify = certify_command(schedule)
    if certify is not None:
        certified = tried(certify)
        if certified.code != DONE:
            return _told(certified, "promoted", log, before), state
        before.append(certified)
        missing = not_run(*_to_certify(schedule))
        if missing:  # which may pass, as a package index that is away does
            said = f"not promoted: {', '.join(missing)} could not be run to certify it; decant.json says why"
            attempts = max(one.attempts for one in before)
            return Worked("failed", said, attempts, str(log), TEMPORARY), state
    let_in = tried(promote_command(schedule), {REGISTRY_VARIABLE: schedule.promote_to})  # it may hold a password
    return _told(let_in, "promoted", log, before), state


def _but_for_left_out(ran: Outcome, run: Path) -> Outcome:
    """A run that left out a graph, which missed its gate, but has an artifact to ship, as one that is done."""
    finished = finished_run(run) if ran.code == GATE_FAILED else None
    if finished is None or not finished.left_out:
        return ran
    return replace(ran, code=DONE, said=f"left out: {'; '.join(finished.left_out)}")


def run_command(schedule: Schedule) -> list[str]:
    """`decant run` of the schedule's recipe."""
    return [*DECANT, "run", schedule.recipe, "--out", schedule.run, "--quiet", *_settings(schedule)]


def certify_command(schedule: Schedule) -> list[str] | None:
    """`decant certify` of the run's pick in the runtimes that the promotion asks for; None: it asks for none.

    Raises:
        InputError: the recipe's promotion block cannot be read.
    """
    pick, runtimes = _to_certify(schedule)
    if pick is None:
        return None
    return [*DECANT, "certify", str(pick), "--runtimes", ",".join(runtimes), "--quiet"]


def _to_certify(schedule: Schedule) -> tuple[Path | None, Sequence[str]]:
    """The run's pick, and the runtimes that the promotion asks for; without both there is nothing to certify."""
    runtimes = promotion_settings(Path(schedule.recipe), {}, schedule.overrides).certificate
    finished = finished_run(Path(schedule.run)) if runtimes else None
    if finished is None:  # without a pick the promotion says what is wrong
        return None, ()
    return Path(schedule.run) / ARTIFACTS / finished.selected, runtimes


def promote_command(schedule: Schedule) -> list[str]:
    """`decant promote` of the run's pick, by the recipe's gates; where to is in the environment."""
    pairs = ["--pairs", schedule.pairs] if schedule.pairs is not None else []
    return [*DECANT, "promote", schedule.run, "--recipe", schedule.recipe, *pairs, *_settings(schedule)]


def _settings(schedule: Schedule) -> list[str]:
    return [part for override in schedule.overrides for part in ("--set", override)]


def check_promotion(values: Mapping[str, Any]) -> None:
    """Refuse, when a schedule is added, a promotion that nothing could be measured for.

    Raises:
        InputError: no pairs, or the recipe's promotion block cannot be read.
    """
    if values["promote_to"] is None or values["pairs"] is not None:
        return
    if promotion_settings(Path(values["recipe"]), {}, values["overrides"]).pairs is None:
        raise InputError("--promote-to needs pairs to measure on: give --pairs, or promotion.pairs in the recipe")


def _told(outcome: Outcome, good: str, log: Path, before: Sequence[Outcome] = ()) -> Worked:
    """How it ended, and why, for the history.

    Args:
        outcome: of the last command.
        good: what the schedule's run is where that command is done.
        log: of them all.
        before: of those that it came after, all of them done.
    """
    states = {DONE: good, GATE_FAILED: "refused", INTERRUPTED: "interrupted"}
    why = outcome.said.removeprefix("gate failed: ") or ("" if outcome.code == DONE else f"exit code {outcome.code}")
    said = "; ".join(filter(None, (why, *(one.said for one in before))))
    attempts = max(one.attempts for one in (outcome, *before))
    code = outcome.code if outcome.code in (*states, BAD_INPUT, TEMPORARY) else DEFECT
    return Worked(states.get(outcome.code, "failed"), said, attempts, str(log), code)
