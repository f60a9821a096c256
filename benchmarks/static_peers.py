"""model2vec and tokenlearn on the texts and vectors that a static student of a run has learned.

    python benchmarks/static_peers.py RUN [--pairs FILE] [--dims 256]

RUN is a finished run's folder, of a recipe with one embedding teacher and a static student. Needs model2vec[distill]
and tokenlearn (`pip install tokenlearn==0.2.1`), beside what trains. tokenlearn is given the run's own vectors of the
texts; its `featurize` would take the mean of the teacher's token states without the first and last one instead.

Prints the Spearman of each on the pairs (STS-B's test set by default, from the folder in DECANT_DATA), and the seconds
that each took to train.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from decant import load_recipe
from decant.models.reference import resolve_model
from decant.models.similarity import cosines, pair_vectors
from export.serve.static_session import StaticSession
from pipeline.run_dir import RunDir
from pipeline.stages.stage import Made, Run
from pipeline.stages.texts import make_texts
from pipeline.stages.vectors import make_vectors
from pipeline.texts.labelled_pairs import read_labelled
from pipeline.texts.source import data_folder

Floats = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Floats]


def main() -> None:
    """Train both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--dims", type=int, default=256, help="of both peers; their own default")
    asked = parser.parse_args()
    recipe = load_recipe(asked.run / "recipe.yaml")
    texts, vectors = _learned(asked.run)
    pairs, labels, _ = read_labelled(
        asked.pairs or (data_folder() or Path()) / "stsb" / "test.tsv", "sentence1", "sentence2", "label"
    )

    def judged(name: str, encode: Encode, seconds: float) -> None:
        figure = 100 * spearmanr(cosines(*pair_vectors(pairs, encode)), labels).statistic
        print(f"{name:40} {figure:6.2f} {seconds:7.0f} s", flush=True)

    print(f"{len(texts):,} texts of {asked.run}")
    for folder in sorted((asked.run / "artifacts").iterdir()):
        judged(folder.name, StaticSession(folder).encode, 0.0)
    from model2vec.distill import distill
    from tokenlearn.train import train_model

    teacher = resolve_model(recipe.embedding.teachers[0].model, Path("configs"))
    started = time.perf_counter()
    static = distill(model_name=str(teacher), pca_dims=asked.dims, quantize_to="float32")
    judged("model2vec", _unit(static.encode), time.perf_counter() - started)
    started = time.perf_counter()
    trained = train_model(static, texts, vectors, pca_dims=asked.dims)
    judged("tokenlearn", _unit(trained.encode), time.perf_counter() - started)


def _learned(folder: Path) -> tuple[list[str], Floats]:
    """The texts that the student learned, shuffled, and the teacher's vectors of them."""
    recipe = load_recipe(folder / "recipe.yaml")
    run, made = Run(recipe, Path("configs"), RunDir(folder, look_only=True)), Made()
    make_texts(run, made)
    make_vectors(run, made)
    assert made.vector_targets is not None
    order = np.random.default_rng(0).permutation(len(made.vector_targets.texts))
    vectors = made.vector_targets.vectors(made.vector_targets.texts).take(order)
    return [made.vector_targets.texts[row] for row in order.tolist()], vectors


def _unit(encode: Callable[[list[str]], NDArray[np.floating]]) -> Encode:
    def unit(texts: Sequence[str]) -> Floats:
        found = np.asarray(encode(list(texts)), np.float32)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)

    return unit


if __name__ == "__main__":
    main()
