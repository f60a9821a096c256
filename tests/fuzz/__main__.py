"""The long hunt: `python -m tests.fuzz --inputs 100000` prints how many inputs each reader took, and what failed."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path

from typer import echo

from tests.fuzz.every_target import NAMES, every_target
from tests.fuzz.target import Target, apart

FAILURES = 5  # of one target, after which it is left alone


def main() -> int:
    """Hunt in rounds until the time is over; the exit code is 1 where an input failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=480, help="after which the round at work is the last")
    parser.add_argument("--inputs", type=int, help="so many inputs instead, however long they take")
    parser.add_argument("--seed", type=int, default=0, help="of the first round; each further one adds 1")
    parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES, metavar="TARGET")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as cache, apart(Path(cache)):
        targets = {name: target for name, target in every_target(Path(place)).items() if name in options.only}
        tried, seconds, failed = dict.fromkeys(targets, 0), dict.fromkeys(targets, 0.0), dict.fromkeys(targets, 0)
        end, round_ = time.monotonic() + options.seconds, options.seed

        def over() -> bool:
            return time.monotonic() > end if options.inputs is None else sum(tried.values()) >= options.inputs

        while not over() and any(count < FAILURES for count in failed.values()):
            for name, target in targets.items():
                if failed[name] >= FAILURES or over():
                    continue
                begun = time.monotonic()
                try:
                    counted(target, tried).hunt(target.weight, round_)
                except BaseException as error:
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    failed[name] += 1
                    _tell(name, round_, error)
                seconds[name] += time.monotonic() - begun
            round_ += 1
    echo(f"{'reader':<24}{'inputs':>10}{'ms each':>10}{'failed':>8}")
    for name, count in tried.items():
        echo(f"{name:<24}{count:>10,}{1000 * seconds[name] / max(1, count):>10.2f}{failed[name]:>8}")
    echo(f"{'all':<24}{sum(tried.values()):>10,}{'':>10}{sum(failed.values()):>8}")
    return int(any(failed.values()))


def counted(target: Target, tried: dict[str, int]) -> Target:
    """The same target; whatever it is given is counted, where it fails too."""

    def use(value: object) -> None:
        tried[target.name] += 1
        target.use(value)

    return replace(target, use=use)


def _tell(name: str, round_: int, error: BaseException) -> None:
    echo(f"\n{name}, seed {round_}:")
    traceback.print_exception(error, limit=-6)
    echo("\n".join(getattr(error, "__notes__", ())))


if __name__ == "__main__":
    sys.exit(main())
