"""A schedule at work, nothing of it simulated: it promotes, refuses, skips, and is rolled back.

    python configs/quickstart/demo_schedule.py [FOLDER]

It trains a student of two layers on the quickstart's pairs and promotes it; turns the labels' scale of the training
pairs upside down, as a faulty export would, and sees the next student refused; runs once more with unchanged data; and
promotes the first run's other artifact by hand, to roll it back. The run fails where one of these comes out otherwise.
"""

import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DECANT = [sys.executable, "-m", "pipeline.cli"]
FILES = ("nightly.yaml", "train.tsv", "dev.tsv", "test.tsv")
EVERY, PATIENCE_S = "6s", 240.0
BUSY = "its last run is still at work"  # the schedule was due once more before it was paused


def main(folder: Path) -> None:
    folder = folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in FILES:
        shutil.copyfile(HERE / name, folder / name)
    began = time.monotonic()
    home, registry = ["--home", str(folder / "state")], folder / "registry"
    how = ["--every", EVERY, "--out", folder / "run", "--promote-to", registry]
    decant("schedule", "add", folder / "nightly.yaml", *how, *home)
    with (folder / "scheduler.log").open("wb") as log:
        scheduler = subprocess.Popen([*DECANT, "schedule", "start", *home], stderr=log)
    try:
        title("The first run is promoted")
        first = one_run(home, 1)
        expect(first, "promoted")
        shutil.copytree(folder / "run" / "artifacts", folder / "first")

        title("The training labels are turned upside down: the second run is refused")
        for name in ("train.tsv", "dev.tsv"):
            turn_labels(folder / name)
        second = one_run(home, 2)
        expect(second, "refused")

        title("Nothing has changed since: the third is skipped")
        third = one_run(home, 3)
        expect(third, "skipped")
        check(third["ended"] - third["started"] < 2, "a skip in less than two seconds")
        print(f"it took {third['ended'] - third['started']:.2f} s")
    finally:
        scheduler.terminate()
        scheduler.wait()
    decant("schedule", "history", *home)

    title("The first run's other artifact is promoted by hand, and rolled back")
    deployed = releases(registry)["releases"][-1]["name"].removeprefix("nightly-")
    other = next(path for path in sorted((folder / "first").glob("L*")) if path.name != deployed)
    decant("promote", other, "--to", registry, "--recipe", folder / "nightly.yaml")
    decant("rollback", registry)
    decant("releases", registry)
    known = releases(registry)
    check(len(known["releases"]) == 2, "two releases")
    check(known["current"]["version"] == known["releases"][0]["version"], "the first of them deployed again")
    print(f"\nall as it should be, in {time.monotonic() - began:.0f} s; {folder}")


def one_run(home: list[str], number: int) -> dict[str, Any]:
    """Let the schedule fire once, and return that run's line of history."""
    if number > 1:
        decant("schedule", "pause", "nightly", "--resume", *home)
    waited(home, number, running=True)
    decant("schedule", "pause", "nightly", *home)
    run = waited(home, number, running=False)
    print(f"run {run['number']}: {run['state']} {run['said']}")
    return run


def waited(home: list[str], number: int, *, running: bool) -> dict[str, Any]:
    """A run's line of history, once it has begun, or come to an end."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found = json.loads(told("schedule", "history", "nightly", "--json", *home))
        runs = [run for run in found if run["said"] != BUSY]
        if len(runs) >= number and (running or runs[number - 1]["ended"] is not None):
            return dict(runs[number - 1])
        time.sleep(0.3)
    raise SystemExit(f"run {number} did not {'begin' if running else 'end'} within {PATIENCE_S:.0f} s")


def turn_labels(path: Path) -> None:
    """0 becomes 4, and 4 becomes 0."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t")
    place = header.index("label")
    for row in rows:
        row[place] = f"{4 - float(row[place]):g}"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows([header, *rows])


def releases(registry: Path) -> dict[str, Any]:
    return dict(json.loads(told("releases", registry, "--json")))


def decant(*arguments: object) -> None:
    """Run a command and show it."""
    print(f"$ decant {' '.join(map(str, arguments))}", flush=True)
    subprocess.run([*DECANT, *map(str, arguments)], check=True)


def told(*arguments: object) -> str:
    """What a command prints."""
    return subprocess.run([*DECANT, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True).stdout


def title(text: str) -> None:
    print(f"\n== {text}", flush=True)


def expect(run: dict[str, Any], state: str) -> None:
    check(run["state"] == state, f"run {run['number']}: {state}, not {run['state']}: {run['said']}; see {run['log']}")


def check(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"not as it should be: {what}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/demo-schedule"))
