"""Each text's nearest others by Decant's exact blocked search, against faiss: exact (flat) and approximate (HNSW).

    python benchmarks/search.py [--texts 100000] [--dim 384] [--k 50] [--rounds 3]

The vectors are random in clusters. faiss' time holds the making of its index, since a corpus is searched once.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from decant.training.cores import usable_cores
from pipeline.measure.rounds import time_interleaved
from pipeline.report.machine import read_environment
from pipeline.texts.mining import nearest

CLUSTER = 50  # texts
NOISE = 0.7  # length of what moves a text away from its cluster's unit centre
LINKS, EFFORT = 32, 128  # HNSW's M, and its efConstruction and efSearch

Search = Callable[[], tuple[NDArray[np.int64], NDArray[np.float32]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    vectors = clustered(options.texts, options.dim, seed=0)
    ways: dict[str, Search] = {"decant": lambda: nearest(vectors, options.k)}
    if importlib.util.find_spec("faiss") is None:
        print("faiss is not installed, so there is nothing to compare with: pip install faiss-cpu")
    else:
        ways |= faiss_ways(vectors, options.k)
    found = {}

    def keeping(name: str) -> Callable[[], None]:
        def call() -> None:
            found[name] = ways[name]()

        return call

    seconds = time_interleaved({name: keeping(name) for name in ways}, options.rounds, warmup=0)
    environment = read_environment()
    print(f"{options.texts} texts of {options.dim} dimensions, {options.k} nearest of each, {usable_cores()} threads,")
    print(f"{environment.cpu} ({', '.join(environment.cpu_features)}); median of {options.rounds} rounds")
    for name, times in seconds.items():
        median = float(np.median(times))
        ratio = float(np.median(np.array(times) / np.array(seconds["decant"])))
        share = recall(found[name][0], found["decant"][0])
        print(f"{name:12} {median:8.2f} s  {options.texts / median:9.0f} texts/s  {ratio:5.2f}×  recall {share:.4f}")


def clustered(texts: int, dim: int, seed: int) -> NDArray[np.float32]:
    """Unit vectors [texts, dim], about 50 around each random centre, in random order."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(max(1, texts // CLUSTER), dim)).astype(np.float32)
    noise = generator.normal(size=(texts, dim)).astype(np.float32)
    vectors = centres[generator.integers(len(centres), size=texts)] + np.float32(NOISE) * noise
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def faiss_ways(vectors: NDArray[np.float32], k: int) -> dict[str, Search]:
    """Index and search the whole corpus; each text finds itself, which is taken out."""
    import faiss

    faiss.omp_set_num_threads(usable_cores())

    def flat() -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return search(faiss.IndexFlatIP(vectors.shape[1]))

    def hnsw() -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        index = faiss.IndexHNSWFlat(vectors.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = index.hnsw.efSearch = EFFORT
        return search(index)

    def search(index: faiss.Index) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        index.add(vectors)
        cosines, indices = index.search(vectors, k + 1)
        others = indices != np.arange(len(vectors))[:, None]
        others[others.all(axis=1), -1] = False  # a text that did not find itself
        return indices[others].reshape(-1, k), cosines[others].reshape(-1, k)

    return {"faiss flat": flat, "faiss hnsw": hnsw}


def recall(found: NDArray[np.int64], exact: NDArray[np.int64]) -> float:
    """Share of the exact search's texts that were found."""
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, exact, strict=True)]))


if __name__ == "__main__":
    main()
