"""What retrieval keeps where vectors are int8 or binary: nDCG@10 and bytes a text, with and without re-scoring.

    python benchmarks/small_vectors.py ARTIFACT [ARTIFACT ...] [--data DIR] [--set cranfield] [--shortlist 40]

An artifact whose graph gives float32 vectors alone gets both outputs here, in a copy; the int8 step is calibrated on
the documents. Re-scoring takes the first --shortlist documents of the search by Hamming distance and ranks them by the
product of the query's float32 vector with their signs, or with their int8 codes. DIR defaults to the folder in
DECANT_DATA; the set is one in BEIR's layout in it.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np

from export.artifact.bundle import GRAPH
from export.graphs.small_vectors import add_small_vectors, int8_step
from export.graphs.vector_kinds import OUTPUTS
from export.serve.session import OnnxEncoder
from pipeline.measure.retrieval import RetrievalSet, ndcg, read_beir, retrieve
from pipeline.measure.small_search import rescored, retrieve_binary, signs
from pipeline.report.machine import read_environment
from pipeline.screen.console import Screen
from pipeline.texts.source import data_folder

K = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", nargs="+", type=Path, metavar="ARTIFACT")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--set", default="cranfield")
    parser.add_argument("--shortlist", type=int, default=40, help="documents a query that are re-scored")
    options = parser.parse_args()
    folder = options.data or data_folder()
    if folder is None:
        parser.error("--data DIR or DECANT_DATA is needed")
    collection = read_beir(folder / options.set)
    environment = read_environment()
    print(f"{options.set}: {len(collection.documents):,} documents, {len(collection.queries)} queries;", end=" ")
    print(f"shortlist {options.shortlist}; {environment.cpu}\n")
    ways = ["float32", "int8", "binary", "binary, signs re-scored", "binary, int8 re-scored"]
    print(f"| artifact | {' | '.join(ways)} |\n| --- |{' ---: |' * len(ways)}")
    for artifact in options.artifacts:
        values, sizes = measured(artifact, collection, options.shortlist)
        cells = [f"{100 * value:.2f} ({size} B)" for value, size in zip(values, sizes, strict=True)]
        print(f"| {artifact.name} | {' | '.join(cells)} |", flush=True)


def measured(artifact: Path, collection: RetrievalSet, shortlist: int) -> tuple[list[float], list[int]]:
    """nDCG@10 of each way, and its bytes a document."""
    with tempfile.TemporaryDirectory() as temporary, Screen().watch(artifact.name, 3 * size(collection)) as advance:
        folder = Path(temporary) / "artifact"
        shutil.copytree(artifact, folder)
        whole = OnnxEncoder(folder)
        documents = whole.encode(collection.documents, progress=advance)
        queries = whole.encode(collection.queries, progress=advance)
        if not whole.offers(*OUTPUTS):
            add_small_vectors(folder / GRAPH, tuple(OUTPUTS), int8_step(documents))
        encoder = OnnxEncoder(folder)
        sides = (collection.queries, collection.documents)
        codes = [encoder.encode_small(side, "int8", progress=advance).astype(np.float32) for side in sides]
        bits = [encoder.encode_small(side, "binary", progress=advance).astype(np.uint8) for side in sides]
    nearest = retrieve_binary(*bits, shortlist)
    rankings = [
        retrieve(queries, documents, K), retrieve(*codes, K), nearest[:, :K],
        rescored(nearest, queries, signs(bits[1]), K), rescored(nearest, queries, codes[1], K),
    ]  # fmt: skip
    dim = documents.shape[1]
    sizes = [4 * dim, dim, dim // 8, dim // 8, dim // 8 + dim]
    return [float(ndcg(ranking, collection.relevance, K).mean()) for ranking in rankings], sizes


def size(collection: RetrievalSet) -> int:
    return len(collection.documents) + len(collection.queries)


if __name__ == "__main__":
    main()
