import time

import numpy as np
import pytest

from pipeline.measure import bootstrap as module
from pipeline.measure.bootstrap import bootstrap, paired_difference, percentile_interval
from pipeline.measure.weighted import weighted_accuracy, weighted_spearman


def test_interval_of_an_accuracy_is_the_binomial_one() -> None:
    labels = np.ones(400, int)
    predicted = (np.arange(400) < 320).astype(int)
    values = bootstrap(weighted_accuracy(predicted, labels), 400, resamples=4000)
    low, high = percentile_interval(values)
    half = 1.96 * np.sqrt(0.8 * 0.2 / 400)
    assert low == pytest.approx(0.8 - half, abs=0.006)
    assert high == pytest.approx(0.8 + half, abs=0.006)


def test_same_seed_same_resamples_however_they_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    statistic = weighted_spearman(generator.random(50), generator.random(50))
    whole = bootstrap(statistic, 50, resamples=20, seed=3)
    np.testing.assert_array_equal(whole, bootstrap(statistic, 50, resamples=20, seed=3))
    assert not np.array_equal(whole, bootstrap(statistic, 50, resamples=20, seed=4))
    monkeypatch.setattr(module, "CELLS_AT_ONCE", 350)
    np.testing.assert_allclose(whole, bootstrap(statistic, 50, resamples=20, seed=3), atol=1e-12)


def test_a_resample_draws_as_many_as_there_are() -> None:
    sums = bootstrap(lambda weights: weights.sum(1), 37, resamples=5)
    np.testing.assert_array_equal(sums, np.full(5, 37.0))


def test_pairing_sees_a_small_gain_that_separate_intervals_hide() -> None:
    generator = np.random.default_rng(0)
    labels = generator.random(500)
    reference = labels + generator.normal(0, 0.3, 500)
    better = 0.97 * reference + 0.03 * labels * 3
    values, references = (bootstrap(weighted_spearman(p, labels), 500) for p in (better, reference))
    assert percentile_interval(values)[0] < percentile_interval(references)[1]
    gain = paired_difference(values, references)
    assert 0 < gain.low < gain.mean < gain.high
    assert gain.share_not_above < 0.01


def test_paired_difference_by_hand() -> None:
    gain = paired_difference(np.array([0.3, 0.5, 0.4, 0.2]), np.array([0.2, 0.5, 0.2, 0.3]), level=0.5)
    assert gain.mean == pytest.approx(0.05)
    assert gain.share_not_above == 0.5
    assert (gain.low, gain.high) == pytest.approx((-0.025, 0.125))


def test_a_row_against_itself_is_never_above() -> None:
    values = np.array([0.5, 0.6])
    assert paired_difference(values, values) == (0, 0, 0, 1)


def test_a_thousand_spearmans_of_the_usual_test_set_take_seconds() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 26, 1379) / 25
    start = time.perf_counter()
    bootstrap(weighted_spearman(generator.random(1379), labels), 1379)
    assert time.perf_counter() - start < 3


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0 and 10"):
        bootstrap(lambda weights: weights.sum(1), 0, resamples=10)
    with pytest.raises(ValueError, match=r"between 0 and 1, got 95"):
        percentile_interval(np.zeros(3), 95)
    with pytest.raises(ValueError, match="2 resamples cannot be paired with 3"):
        paired_difference(np.zeros(2), np.zeros(3))
