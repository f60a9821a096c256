from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.measure.one_against_many import BiEncoder, dot_product, one_against_many, search_steps
from pipeline.measure.speed import SpeedSettings

SETTINGS = SpeedSettings(batch_rounds=3, throughput_rounds=3, warmup=1, candidates=1000, sample=10)
CANDIDATES = [f"candidate {index}" for index in range(40)]


class Machine:
    """A bi-encoder and a cross-encoder of known cost on a clock of their own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.matched: list[tuple[int, ...]] = []

    def clock(self) -> float:
        return self.now

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.now += 0.004 * len(texts)
        return np.ones((len(texts), 8), np.float32)

    def match(self, query: np.ndarray, candidates: np.ndarray) -> None:
        self.matched.append((*query.shape, *candidates.shape))
        self.now += 0.001

    def score(self, pairs: Sequence[tuple[str, str]]) -> None:
        assert {first for first, _ in pairs} == {"query"}
        self.now += 0.05 * len(pairs)


def test_a_cross_encoder_is_scaled_up_and_a_bi_encoder_measured() -> None:
    machine = Machine()
    costs = one_against_many(
        "query",
        CANDIDATES,
        SETTINGS,
        bi_encoders={"small": BiEncoder(machine.encode, machine.match)},
        cross_encoders={"big": machine.score},
        clock=machine.clock,
    )
    big, small = costs["big"], costs["small"]
    assert big.query_ms.p50 == pytest.approx(50 * 1000)
    assert big.extrapolated
    assert big.index_seconds is None
    assert small.query_ms.p50 == pytest.approx(4 + 1)
    assert not small.extrapolated
    assert small.index_seconds == pytest.approx(0.004 * 1000)
    assert set(machine.matched) == {(1, 8, 1000, 8)}
    assert big.sampled == small.sampled == 10


def test_scoring_every_candidate_is_not_called_extrapolated() -> None:
    machine = Machine()
    settings = SETTINGS.model_copy(update={"candidates": 40, "sample": 64})
    costs = one_against_many("query", CANDIDATES, settings, cross_encoders={"big": machine.score}, clock=machine.clock)
    assert not costs["big"].extrapolated
    assert costs["big"].query_ms.p50 == pytest.approx(40 * 50)


def test_dot_product_of_unit_vectors_is_their_cosine() -> None:
    query, candidates = np.array([[0.6, 0.8]], np.float32), np.array([[1, 0], [0.6, 0.8]], np.float32)
    np.testing.assert_allclose(dot_product(query, candidates), [0.6, 1], atol=1e-6)


def test_no_candidates_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one candidate"):
        one_against_many("query", [], SETTINGS)


def test_progress_counts_what_every_model_reads() -> None:
    machine, told = Machine(), list[tuple[int, str]]()
    one_against_many(
        "query", CANDIDATES, SETTINGS, bi_encoders={"small": BiEncoder(machine.encode, machine.match)},
        cross_encoders={"big": machine.score}, clock=machine.clock,
        advance=lambda done, note="", /: told.append((done, note)),
    )  # fmt: skip
    assert {note for _, note in told} == {"small", "big"}
    assert sum(done for done, _ in told) == search_steps(SETTINGS, len(CANDIDATES), 1, 1) == 2 * 4 * 10 + 4


def test_what_is_timed_says_how_steady_it_was() -> None:
    machine = Machine()
    costs = one_against_many(
        "query", CANDIDATES, SETTINGS, bi_encoders={"small": BiEncoder(machine.encode, machine.match)},
        cross_encoders={"big": machine.score}, clock=machine.clock,
    )  # fmt: skip
    assert {name: sorted(cost.steadiness) for name, cost in costs.items()} == {
        "small": ["index_seconds", "query_ms"], "big": ["query_ms"],
    }  # fmt: skip
    assert not costs["small"].unsteady("query_ms")
    assert costs["small"].steadiness["query_ms"].rounds == 3
