"""Try the faults and print what was lost: `python -m tests.faults --moments 50 --kinds kill,damage --seed 0`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from teachers.cross_encoders.cross_encoder import CrossEncoder
from tests.faults.kinds import KINDS, Tried
from tests.faults.place import RECIPES, make_place
from tests.tiny_models import tiny_backbone_folder
from tests.tiny_runs import Models

PLACES = ("pair", "nested")


def main() -> int:
    """1 where something was lost."""
    options = _options()
    torch.set_num_threads(1)
    _import_all()
    started, tried = time.monotonic(), list[Tried]()
    with tempfile.TemporaryDirectory(prefix="faults") as scratch:
        models = _models(Path(scratch))
        places = []
        for kind in options.recipes.split(","):
            (Path(scratch) / kind).mkdir()
            places.append(make_place(Path(scratch) / kind, models, kind))
            _say(f"{kind}: undisturbed {sum(places[-1].seconds.values()):.1f} s, {len(places[-1].seconds)} stages")
        for name in options.kinds.split(","):
            before = len(tried)
            for number, place in enumerate(places):
                share = options.moments // len(places) + (number < options.moments % len(places))
                for one in KINDS[name](place, share, np.random.default_rng([options.seed, number])):
                    tried.append(one)
                    _say(f"  {one.kind:<17} {one.when:<44} {one.lost or 'survived'}")
            if len(tried) == before:
                _say(f"  {name}: nothing could be tried on this machine")
    _say(f"\n{table(tried)}\n\nseed {options.seed}, {time.monotonic() - started:.0f} s")
    return int(any(one.lost for one in tried))


def table(tried: list[Tried]) -> str:
    """Kind, moments tried, lost, as Markdown."""
    counts, lost = Counter(one.kind for one in tried), Counter(one.kind for one in tried if one.lost)
    rows = [f"| {kind} | {count} | {lost[kind]} |" for kind, count in counts.items()]
    return "\n".join(["| fault | moments tried | lost |", "| --- | ---: | ---: |", *rows])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--moments", type=int, default=50, help="of each kind")
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"of {', '.join(KINDS)}; with commas")
    parser.add_argument("--recipes", default=",".join(PLACES), help=f"of {', '.join(RECIPES)}; with commas")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _import_all() -> None:
    """What a run imports on its way, so that no child has to; nothing here starts a thread."""
    import lightning.pytorch.loggers  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import onnxruntime  # noqa: F401
    import sentence_transformers  # noqa: F401
    import tensorboard  # noqa: F401

    import pipeline.report.terminal
    import pipeline.run  # noqa: F401


def _models(folder: Path) -> Models:
    encoder = tiny_backbone_folder(folder, "bert", num_hidden_layers=3)
    teacher = folder / "teacher1"
    CrossEncoder.from_backbone(encoder, 1, seed=1).save(teacher)
    return Models(encoder, {1: teacher})


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
