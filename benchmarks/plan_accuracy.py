"""What `decant plan` says of a recipe, against what a finished run of it took: seconds a stage, and their ratio.

    python benchmarks/plan_accuracy.py runs/quickstart --recipe configs/quickstart.yaml

A run that took a stage from an earlier one is compared in the stages that it made. The plan is made now, so the machine
must be as quiet as it was. Exit code 1 where the sum, or a stage of a minute or more, is off by more than 1.5 times.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from pipeline.plan import planned_stages
from pipeline.recipe.recipe import load_recipe
from pipeline.run_dir import RunDir

LONG = 60.0  # seconds
MOST = 1.5


def took(run: Path) -> dict[str, float]:
    """Seconds of each stage, its parts included, as the run's log has them; those of the last time that it was made."""
    found: dict[str, float] = {}
    for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event.get("event") == "done":
            found[event["stage"]] = float(event["seconds"])
    return found


def compared(
    planned: dict[str, float], found: dict[str, float], parts: dict[str, str]
) -> list[tuple[str, float, float]]:
    """Stage, seconds planned, seconds taken, of those that were made.

    Args:
        planned: by stage.
        found: as `took` gives them.
        parts: folder of a stage's parts, such as students, by stage.
    """
    rows = []
    for stage, seconds in planned.items():
        own = [name for name in found if name == stage or name.partition("/")[0] == parts.get(stage)]
        if own:
            rows.append((stage, seconds, sum(found[name] for name in own)))
    return rows


def off(planned: float, taken: float) -> float:
    """How many times the one is the other, 1 or more."""
    return max(planned, taken) / max(1e-9, min(planned, taken))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run's folder")
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--set", dest="sets", action="append", default=[], help="as it was given to the run")
    options = parser.parse_args()
    from pipeline.run import STAGES

    recipe = load_recipe(options.recipe, options.sets)
    with tempfile.TemporaryDirectory() as empty:
        stages = planned_stages(recipe, options.recipe.parent, RunDir(Path(empty) / "run"))
    parts = {stage.name: stage.parts for stage in STAGES if stage.parts is not None}
    rows = compared({one.stage: one.seconds for one in stages}, took(options.run), parts)
    total = ("in all", sum(row[1] for row in rows), sum(row[2] for row in rows))
    print(f"{'stage':12} {'planned':>9} {'took':>9} {'ratio':>7}")
    for stage, planned, taken in [*rows, total]:
        print(f"{stage:12} {planned:7.0f} s {taken:7.0f} s {planned / max(taken, 1e-9):7.2f}")
    sys.exit(any(off(*row[1:]) > MOST for row in [*(row for row in rows if row[2] >= LONG), total]))


if __name__ == "__main__":
    main()
