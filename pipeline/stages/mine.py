"""Stage `mine`: pairs of unlabelled texts whose teacher's scores spread over the whole range."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.recipe import Recipe
from pipeline.run_dir import RunDir, Stage, fingerprint
from pipeline.stages.vectors import Lesson
from pipeline.texts.load import Split, Texts
from pipeline.texts.mine import Floats, MineSettings, mine_pairs, score_histogram
from students.student import cosines

VERSION = 1
PAIRS, FACTS = "pairs.parquet", "mined.json"


def mine_stage(
    recipe: Recipe, mining: MineSettings, texts: Texts, lesson: Lesson, run_dir: RunDir
) -> tuple[Stage, Texts]:
    """The mined pairs' folder, and the texts with these pairs among the unlabelled ones.

    `mined.json` holds how many pairs of each kind were mined, and the histograms of the teacher's cosine over −1..1
    before (the labelled pairs, random ones where there are none) and after.
    """
    inputs: dict[str, object] = {
        "vectors": lesson.stage.fingerprint, "weights": [weight for _, weight in lesson.teachers],
        "settings": mining.model_dump(mode="json"), "seed": recipe.seed,
    }  # fmt: skip

    def write(folder: Path) -> None:
        given = lesson.texts[: lesson.given]
        vectors = lesson.vectors(given)
        mined = mine_pairs(vectors, mining, recipe.seed)
        first, second = ([given[row] for row in mined.indices[:, side]] for side in (0, 1))
        kinds = pa.array(mined.kinds, pa.string())
        table = {"first": pa.array(first), "second": pa.array(second), "cosine": mined.cosines, "kind": kinds}
        pq.write_table(pa.table(table), folder / PAIRS)
        before = _cosines_before(texts, lesson, mined.cosines[np.array(mined.kinds) == "random"])
        facts = {
            "counts": mined.counts(),
            "before": score_histogram(before).tolist(),
            "after": score_histogram(np.concatenate([before, mined.cosines])).tolist(),
        }
        (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    stage = run_dir.make("mine", fingerprint("mine", VERSION, inputs), write)
    table = pq.read_table(stage.folder / PAIRS).to_pydict()
    known = {frozenset(pair) for split in (texts.train, texts.dev, texts.test) for pair in split.pairs}
    pairs = [pair for pair in zip(table["first"], table["second"], strict=True) if frozenset(pair) not in known]
    every = texts.unlabelled.pairs + pairs
    return stage, replace(texts, unlabelled=Split(every, np.full(len(every), np.nan, np.float32)))


def _cosines_before(texts: Texts, lesson: Lesson, random: Floats) -> Floats:
    if not texts.train.pairs:
        return random
    first, second = (lesson.vectors([pair[side] for pair in texts.train.pairs]) for side in (0, 1))
    rows = np.arange(len(first))
    return cosines(first.take(rows), second.take(rows))
