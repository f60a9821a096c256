"""Stage `mine`: pairs of unlabelled texts whose teacher's scores spread over the whole range."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from decant.models.similarity import cosines
from pipeline.fingerprint import stated
from pipeline.report.rows import Mined
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.stages.vectors import VectorTargets
from pipeline.texts.load import Split, Texts
from pipeline.texts.mining import Floats, mine_pairs, score_histogram

VERSION = 1
PAIRS, FACTS = "pairs.parquet", "mined.json"


def make_mined(run: Run, made: Made) -> Done:
    """The mined pairs, which stand among the unlabelled ones from here on, and the histograms of the scores."""
    assert run.recipe.embedding is not None
    assert run.recipe.embedding.mine is not None
    assert made.vector_targets is not None
    mining, texts, vector_targets = run.recipe.embedding.mine, made.texts, made.vector_targets
    inputs = {
        "vectors": vector_targets.stage.fingerprint, "weights": vector_targets.weights,
        "settings": stated(mining), "seed": run.recipe.seed,
    }  # fmt: skip

    def write(folder: Path) -> None:
        given = vector_targets.texts[: vector_targets.given]
        vectors = vector_targets.vectors(given)
        with run.watch("mining pairs", 1) as advance:
            mined = mine_pairs(vectors, mining, run.recipe.seed)
            advance(1)
        first, second = ([given[row] for row in mined.indices[:, side]] for side in (0, 1))
        kinds = pa.array(mined.kinds, pa.string())
        table = {"first": pa.array(first), "second": pa.array(second), "cosine": mined.cosines, "kind": kinds}
        pq.write_table(pa.table(table), folder / PAIRS)
        before = _labelled_cosines(texts, vector_targets)
        facts = Mined(
            counts=mined.counts(), before=tuple(score_histogram(before).tolist()),
            after=tuple(score_histogram(np.concatenate([before, mined.cosines])).tolist()),
        )  # fmt: skip
        (folder / FACTS).write_text(facts.model_dump_json(indent=1) + "\n", encoding="utf-8")

    stage = run.make("mine", VERSION, inputs, write)
    table = pq.read_table(stage.folder / PAIRS).to_pydict()
    known = {frozenset(pair) for split in (texts.train, texts.dev, texts.test) for pair in split.pairs}
    pairs = [pair for pair in zip(table["first"], table["second"], strict=True) if frozenset(pair) not in known]
    every = [*texts.unlabelled.pairs, *pairs]
    made.mined = Mined.model_validate_json((stage.folder / FACTS).read_bytes())
    made.texts = replace(texts, unlabelled=Split(every, np.full(len(every), np.nan, np.float32)))
    return Done(stage, f"{len(every):,} pairs without labels")


def _labelled_cosines(texts: Texts, vector_targets: VectorTargets) -> Floats:
    first, second = (vector_targets.vectors([pair[side] for pair in texts.train.pairs]) for side in (0, 1))
    rows = np.arange(len(first))
    return cosines(first.take(rows), second.take(rows))


MINE = Stage(
    "mine", VERSION, make_mined, reads=("texts", "vectors"), seconds=lambda estimate: 60.0,
    wanted=lambda recipe: recipe.embedding is not None and recipe.embedding.mine is not None,
)  # fmt: skip
