"""Pairs that teach, mined from unlabelled texts with a teacher's vectors, so that its scores spread over their range.

Most pairs of a corpus have nothing in common. Augmented SBERT (Thakur et al. 2021, §3.1) therefore takes each text's
nearest ones too. Ranks further down give pairs that look alike and are not: a rank window (KaLM-Embedding-V2, Zhao et
al. 2025, takes ranks 50 to 100) with a margin below the nearest (NV-Retriever, Moreira et al. 2024, TopK-PercPos)
against false negatives.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from decant.errors import InputError

if TYPE_CHECKING:
    from teachers.labels.vector_store import Vectors

Kind = Literal["near", "window", "random"]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
KINDS: tuple[Kind, ...] = ("near", "window", "random")
REMEDIES: dict[Kind, str] = {
    "near": "raise near_ranks",
    "window": "widen window_ranks, or raise max_of_nearest",
    "random": "give more texts",
}
BLOCK = 1024  # texts
POOL = 20  # pairs to choose from for each that is asked for, where the histogram is flattened
FLATTEN_ROUNDS = 100
UNIT_TOLERANCE = 1e-2  # float16 moves a unit vector's length by less


class MineSettings(BaseModel, frozen=True, extra="forbid"):
    """How many pairs of each kind are mined, and from which ranks; rank 1 is a text's nearest other text."""

    near: int = Field(20_000, ge=0, description="pairs of a text and one of its nearest")
    near_ranks: int = Field(3, ge=1, description="near: ranks 1 to this")
    window: int = Field(20_000, ge=0, description="pairs of a text and one from a window of ranks")
    window_ranks: tuple[int, int] = Field((10, 50), description="window: first and last rank, below the near ones")
    max_of_nearest: float = Field(
        0.95, gt=0, le=1, description="window: the cosine is at most this share of the cosine of rank 1"
    )
    random: int = Field(20_000, ge=0, description="pairs drawn from all")
    flatten: bool = Field(False, description="choose each kind's pairs so that all cosines together spread evenly")
    bins: int = Field(20, ge=2, description="flatten: bins of equal width over the cosines -1..1")

    @model_validator(mode="after")
    def _consistent(self) -> MineSettings:
        first, last = self.window_ranks
        if not self.near_ranks < first <= last:
            raise ValueError(
                f"window_ranks [{first}, {last}] must rise and begin below near_ranks {self.near_ranks}; "
                f"give [{self.near_ranks + 1}, …] or more"
            )
        if not self.near + self.window + self.random:
            raise ValueError("near, window and random are all 0; ask for pairs of one kind at least")
        return self

    def counts(self) -> dict[Kind, int]:
        """Pairs of each kind."""
        return {"near": self.near, "window": self.window, "random": self.random}

    @property
    def deepest_rank(self) -> int:
        """The last rank that is looked at; 0 for none."""
        return self.window_ranks[1] if self.window else self.near_ranks if self.near else 0


@dataclass(frozen=True)
class MinedPairs:
    """Distinct pairs in the order near, window, random, and by their texts within.

    Attributes:
        indices: [pairs, 2], numbers of two texts, the lower first.
        cosines: [pairs], of the vectors that they were mined with, -1..1.
        kinds: [pairs].
    """

    indices: Ints
    cosines: Floats
    kinds: list[Kind]

    def __len__(self) -> int:
        return len(self.kinds)

    def counts(self) -> dict[str, int]:
        """How many pairs there are of each kind."""
        return dict(Counter(self.kinds))


@dataclass(frozen=True)
class _Pool:
    """Distinct pairs to choose from: `codes` [pairs], i·texts + j with i < j, and their cosines."""

    codes: Ints
    cosines: Floats

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> _Pool:
        return _Pool(self.codes[rows], self.cosines[rows])


def mine_pairs(vectors: Vectors | Floats, settings: MineSettings, seed: int) -> MinedPairs:
    """Draw near, window and random pairs; as many of each kind as the settings say.

    near: one text is within ranks 1..`near_ranks` of the other. window: one is within `window_ranks` of the other, and
    from neither side is it nearer than that, or above `max_of_nearest` times that side's greatest cosine. random: any
    other pair. With `flatten`, each kind is chosen from up to 20 times as many pairs, so that the histogram of all
    cosines has the least sum of squares that the kinds' numbers allow (to within a pair or two a bin).

    Args:
        vectors: unit vectors [texts, dim].

    Raises:
        InputError: there are fewer texts than the deepest rank needs, fewer pairs of a kind than are asked for, or a
            vector is not finite or not of unit length.
    """
    generator = np.random.default_rng(seed)
    texts, wanted = len(vectors), settings.counts()
    found = _ranked(vectors, settings)
    pools = {kind: _drawn(found[kind], kind, settings, texts, generator) for kind in ("near", "window")}
    taken = np.concatenate([pool.codes for pool in pools.values()])
    others = _random(vectors, wanted["random"] * (POOL if settings.flatten else 1), taken, generator)
    pools["random"] = _drawn(others, "random", settings, texts, generator)
    if settings.flatten:
        available = np.stack([score_histogram(pools[kind].cosines, settings.bins) for kind in KINDS])
        chosen = _flattest(available, [wanted[kind] for kind in KINDS])
        pools = {kind: _first_of_bins(pools[kind], per_bin) for kind, per_bin in zip(KINDS, chosen, strict=True)}
    pools = {kind: pools[kind][np.argsort(pools[kind].codes)] for kind in KINDS}
    codes = np.concatenate([pools[kind].codes for kind in KINDS])
    return MinedPairs(
        np.stack([codes // texts, codes % texts], axis=1),
        np.concatenate([pools[kind].cosines for kind in KINDS]),
        [kind for kind in KINDS for _ in range(len(pools[kind].codes))],
    )


def check_mining(settings: MineSettings, texts: int) -> None:
    """Refuse what so few texts cannot give, before they have any vectors.

    Raises:
        InputError: fewer texts than the ranks need, or more pairs asked for than there can be.
    """
    if texts <= settings.deepest_rank:
        raise InputError(
            f"mine: {texts} texts have no {settings.deepest_rank} nearest ones each; give more, or lower the ranks"
        )
    most = {"near": texts * settings.near_ranks, "random": texts * (texts - 1) // 2 - settings.near - settings.window}
    most["window"] = texts * (settings.window_ranks[1] - settings.window_ranks[0] + 1)
    for kind, wanted in settings.counts().items():
        if wanted > most[kind]:
            raise InputError(f"mine.{kind}: {wanted} pairs are asked for, but {texts} texts give {most[kind]} at most")


def nearest(vectors: Vectors | Floats, k: int, *, block: int = BLOCK) -> tuple[Ints, Floats]:
    """Each text's k nearest other texts, exactly: indices and cosines, [texts, k] each, nearest first.

    Every pair of blocks is multiplied once and read from both sides, which is half of the usual work; of a product,
    only what beats a text's kth cosine so far goes through argpartition. Equal cosines at the kth rank are cut
    anywhere. Beside the vectors and the result (12·texts·k bytes) it takes at most about 60·block² bytes and twice a
    block's vectors, 66 MB for 384 dimensions.

    Args:
        vectors: unit vectors [texts, dim].
        k: 1 or more.

    Raises:
        InputError: there are fewer than k + 1 texts, or a vector is not finite or not of unit length.
    """
    texts = len(vectors)
    if texts < k + 1:
        raise InputError(f"{texts} texts have no {k} nearest ones each: give {k + 1} texts or more, or lower the ranks")
    indices, cosines = np.zeros((texts, k), np.int64), np.full((texts, k), -np.inf, np.float32)
    starts = range(0, texts, block)
    for start in starts:
        left, here = _take(vectors, start, block), slice(start, start + block)
        for other in starts[start // block :]:
            there = slice(other, other + block)
            products = left @ (left if other == start else _take(vectors, other, block)).T
            if other == start:
                np.fill_diagonal(products, -np.inf)
            else:
                _merge(indices[there], cosines[there], products.T, start)
            _merge(indices[here], cosines[here], products, other)
    for start in starts:  # in blocks for the memory's sake
        here = slice(start, start + block)
        order = np.lexsort((indices[here], -cosines[here]), axis=1)
        indices[here] = np.take_along_axis(indices[here], order, 1)
        cosines[here] = np.clip(np.take_along_axis(cosines[here], order, 1), -1, 1)
    return indices, cosines


def score_histogram(cosines: Floats, bins: int = 20) -> Ints:
    """How many cosines lie in each of `bins` bins of equal width over -1..1; 1 counts to the last.

    Raises:
        ValueError: a cosine is not within -1..1.
    """
    if not np.all(np.abs(cosines) <= 1 + 1e-5):
        raise ValueError("cosines must lie within -1..1")
    return np.bincount(_bin(cosines, bins), minlength=bins)


def _bin(cosines: Floats, bins: int) -> Ints:
    return np.clip((cosines.astype(np.float64) + 1) * (bins / 2), 0, bins - 1).astype(np.int64)


def _take(vectors: Vectors | Floats, start: int, block: int) -> Floats:
    return _checked(vectors, np.arange(start, min(start + block, len(vectors))))


def _checked(vectors: Vectors | Floats, rows: Ints) -> Floats:
    taken = np.asarray(vectors[rows] if isinstance(vectors, np.ndarray) else vectors.take(rows), np.float32)
    off = np.abs(np.linalg.norm(taken, axis=1) - 1)
    bad = np.flatnonzero(~(off <= UNIT_TOLERANCE))  # so that NaN is bad
    if len(bad):
        raise InputError(f"the vector of text {rows[bad[0]]} is not finite and of length 1; pairs need unit vectors")
    return taken


def _merge(indices: Ints, cosines: Floats, products: Floats, first: int) -> None:
    """Bring `products` [rows, columns] into the k best so far, [rows, k] each, in place.

    Args:
        first: the number of the first column's text.
    """
    rows, k = indices.shape
    if cosines[0, 0] == -np.inf and products.shape[1] > k:  # nothing yet, so that all would be better
        best = np.argpartition(products, -k, axis=1)[:, -k:]
        indices[:], cosines[:] = best + first, np.take_along_axis(products, best, 1)
        return
    better = np.ascontiguousarray(products > cosines.min(axis=1)[:, None])
    row, column = np.divmod(np.flatnonzero(better), better.shape[1])
    counts = np.bincount(row, minlength=rows)
    if not len(row):
        return
    place = k + np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    both = np.full((rows, k + counts.max()), -np.inf, np.float32)
    numbers = np.zeros(both.shape, np.int64)
    both[:, :k], numbers[:, :k] = cosines, indices
    both[row, place], numbers[row, place] = products[row, column], column + first
    best = np.argpartition(both, -k, axis=1)[:, -k:]
    indices[:], cosines[:] = np.take_along_axis(numbers, best, 1), np.take_along_axis(both, best, 1)


def _ranked(vectors: Vectors | Floats, settings: MineSettings) -> dict[Kind, _Pool]:
    """All near and all window pairs."""
    texts, first = len(vectors), settings.window_ranks[0]
    if not settings.deepest_rank:
        nothing = _Pool(np.zeros(0, np.int64), np.zeros(0, np.float32))
        return {"near": nothing, "window": nothing}
    indices, cosines = nearest(vectors, settings.deepest_rank)
    own = np.arange(texts)[:, None]
    codes = np.minimum(own, indices) * texts + np.maximum(own, indices)
    inside = cosines <= settings.max_of_nearest * cosines[:, :1]
    inside[:, : first - 1] = False
    window = _distinct(codes[inside], cosines[inside])
    return {
        "near": _distinct(codes[:, : settings.near_ranks].ravel(), cosines[:, : settings.near_ranks].ravel()),
        "window": window[~np.isin(window.codes, codes[~inside])],
    }


def _distinct(codes: Ints, cosines: Floats) -> _Pool:
    distinct, first = np.unique(codes, return_index=True)
    return _Pool(distinct, cosines[first])


def _random(vectors: Vectors | Floats, count: int, taken: Ints, generator: Generator) -> _Pool:
    """Up to `count` pairs, none of which is taken, in random order."""
    texts = len(vectors)
    total = texts * (texts - 1) // 2
    drawn = generator.choice(total, min(total, count + len(taken)) if count else 0, replace=False)
    high = ((1 + np.sqrt(1 + 8 * drawn)) // 2).astype(np.int64)  # pairs counted (0,1) (0,2) (1,2) (0,3) …
    low = drawn - high * (high - 1) // 2
    codes = low * texts + high
    codes = codes[~np.isin(codes, taken)][:count]
    parts = [codes[start : start + BLOCK] for start in range(0, len(codes), BLOCK)]
    cosines = [np.sum(_checked(vectors, part // texts) * _checked(vectors, part % texts), axis=1) for part in parts]
    return _Pool(codes, np.clip(np.concatenate([np.zeros(0, np.float32), *cosines]), -1, 1))


def _drawn(found: _Pool, kind: Kind, settings: MineSettings, texts: int, generator: Generator) -> _Pool:
    """As many as are asked for, or as many as flattening chooses from, in random order."""
    wanted, available = settings.counts()[kind], len(found.codes)
    if available < wanted:
        raise InputError(
            f"{kind}: {wanted} pairs are asked for, but {texts} texts have {available} such; "
            f"ask for fewer, or {REMEDIES[kind]}"
        )
    size = min(available, wanted * POOL) if settings.flatten else wanted
    return found[generator.choice(available, size, replace=False)]


def _flattest(available: Ints, wanted: list[int]) -> Ints:
    """How many pairs of each kind to take from each bin, [kinds, bins], for the least Σ over bins of (their sum)².

    The sum is convex, and each kind's numbers are bound among themselves only, so that filling up one kind on top of
    the others in turns leads to the least (block coordinate descent).
    """
    chosen = np.zeros_like(available)
    for _ in range(FLATTEN_ROUNDS):
        before = chosen.copy()
        for kind, count in enumerate(wanted):
            chosen[kind] = _filled_up(chosen.sum(axis=0) - chosen[kind], available[kind], count)
        if np.array_equal(before, chosen):
            break
    return chosen


def _filled_up(load: Ints, room: Ints, count: int) -> Ints:
    """Pour `count` onto `load` [bins], at most `room` each, so that the levels come out as even as they can."""
    low, high = 0, int((load + room).max())
    while low < high:
        level = (low + high + 1) // 2
        low, high = (level, high) if np.clip(level - load, 0, room).sum() <= count else (low, level - 1)
    filled = np.clip(low - load, 0, room)
    at_level = np.flatnonzero((filled < room) & (load + filled == low))
    filled[at_level[: count - filled.sum()]] += 1
    return filled


def _first_of_bins(pool: _Pool, per_bin: Ints) -> _Pool:
    bins = _bin(pool.cosines, len(per_bin))
    rows = [np.flatnonzero(bins == number)[:count] for number, count in enumerate(per_bin)]
    return pool[np.concatenate(rows)]
