"""Stage `mine`: pairs of unlabelled texts whose teacher's scores spread over the whole range."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from decant.models.similarity import cosines
from decant.progress import Watch
from pipeline.recipe.recipe import Recipe
from pipeline.report.rows import Mined
from pipeline.run_dir import RunDir, Stage, fingerprint
from pipeline.stages.vectors import VectorTargets
from pipeline.texts.load import Split, Texts
from pipeline.texts.mining import Floats, MineSettings, mine_pairs, score_histogram

VERSION = 1
PAIRS, FACTS = "pairs.parquet", "mined.json"


def mine_stage(
    recipe: Recipe, mining: MineSettings, texts: Texts, vector_targets: VectorTargets, run_dir: RunDir, watch: Watch
) -> tuple[Stage, Texts, Mined]:
    """The mined pairs' folder, the texts with these pairs among the unlabelled ones, and the scores' histograms."""
    inputs: dict[str, object] = {
        "vectors": vector_targets.stage.fingerprint, "weights": [weight for _, weight in vector_targets.teachers],
        "settings": mining.model_dump(mode="json"), "seed": recipe.seed,
    }  # fmt: skip

    def write(folder: Path) -> None:
        given = vector_targets.texts[: vector_targets.given]
        vectors = vector_targets.vectors(given)
        with watch("mining pairs", 1) as advance:
            mined = mine_pairs(vectors, mining, recipe.seed)
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

    stage = run_dir.make("mine", fingerprint("mine", VERSION, inputs), write)
    table = pq.read_table(stage.folder / PAIRS).to_pydict()
    known = {frozenset(pair) for split in (texts.train, texts.dev, texts.test) for pair in split.pairs}
    pairs = [pair for pair in zip(table["first"], table["second"], strict=True) if frozenset(pair) not in known]
    every = [*texts.unlabelled.pairs, *pairs]
    facts = Mined.model_validate_json((stage.folder / FACTS).read_bytes())
    return stage, replace(texts, unlabelled=Split(every, np.full(len(every), np.nan, np.float32))), facts


def _labelled_cosines(texts: Texts, vector_targets: VectorTargets) -> Floats:
    first, second = (vector_targets.vectors([pair[side] for pair in texts.train.pairs]) for side in (0, 1))
    rows = np.arange(len(first))
    return cosines(first.take(rows), second.take(rows))
