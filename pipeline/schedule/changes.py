"""Whether a schedule's run would come out as the last one did: same recipe, data, code and settings."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from decant.errors import InputError
from pipeline.pick.run_pick import REPORT
from pipeline.registry.settings import promotion_settings
from pipeline.schedule.spec import Schedule
from pipeline.snapshot import changed_file, code_digest, parse_snapshot, read_snapshot, take_snapshot

VARIABLES = ("DECANT_DATA", "DECANT_MODELS")  # which decide where data and models are read from
INPUTS = "inputs.json"
FACTS = {
    "recipe": "the recipe", "overrides": "--set", "run": "--out", "code": "the code",
    "environment": "DECANT_DATA or DECANT_MODELS", "promotion": "what the promotion asks for",
}  # fmt: skip


def state_of(schedule: Schedule) -> dict[str, Any]:
    """What decides a run beside its data, as JSON values. Taken before a run begins.

    Raises:
        OSError: the recipe is not there.
    """
    recipe = Path(schedule.recipe)
    return {
        "recipe": hashlib.sha256(recipe.read_bytes()).hexdigest(),
        "overrides": list(schedule.overrides),
        "run": schedule.run,
        "code": code_digest(),
        "environment": [os.environ.get(name) for name in VARIABLES],
        "promotion": [schedule.promote_to, schedule.pairs],
    }


def with_inputs(state: dict[str, Any], schedule: Schedule, pairs: dict[str, Any]) -> dict[str, Any]:
    """The state with the files that the run read, as it wrote them down when it began.

    Args:
        state: as `state_of` gave it before the run.
        schedule: whose run it was.
        pairs: snapshot of the evaluation pairs before the run.
    """
    inputs = read_snapshot(Path(schedule.run) / INPUTS)
    return state | {"inputs": inputs | pairs if inputs is not None else None}


def pairs_snapshot(schedule: Schedule) -> dict[str, Any]:
    """The promotion's evaluation data; nothing where the schedule promotes nothing, or names none.

    Raises:
        InputError: the recipe's promotion block cannot be read.
    """
    if schedule.promote_to is None:
        return {}
    settings = promotion_settings(Path(schedule.recipe), {}, schedule.overrides)
    files = [schedule.pairs or settings.pairs, settings.dev]
    return dict(take_snapshot([Path(file) for file in files if file is not None]))


def what_changed(schedule: Schedule, settled: dict[str, Any] | None) -> str | None:
    """What is not as it was when the last run came to an end, for people; None: nothing.

    Args:
        schedule: due now.
        settled: as `with_inputs` gave it; None: no run has come to an end yet.
    """
    if settled is None:
        return "there was no run yet"
    try:
        state = state_of(schedule)
        changed = [said for fact, said in FACTS.items() if state[fact] != settled.get(fact)]
        inputs = parse_snapshot(settled.get("inputs"))
        pairs = pairs_snapshot(schedule)
    except (OSError, ValueError, InputError):
        return "what it was made from cannot be read"
    if changed:
        return changed[0]
    if not pairs.keys() <= inputs.keys():
        return "the evaluation pairs"
    if not (Path(schedule.run) / REPORT).is_file():
        return "the report is gone"
    return changed_file(inputs)
