import numpy as np
import pytest
from scipy.special import expit

from pipeline.stages.student_lists import score_limits

RELEVANT = np.array([[True, True, False], [True, False, False], [False, False, False]])


def test_the_limit_is_a_share_of_the_lowest_relevant_cosine() -> None:
    scores = np.array([[0.8, 0.6, 0.9], [-0.2, 0.5, 0.1], [0.3, 0.2, np.nan]], np.float32)
    limits = score_limits(scores, RELEVANT, 0.95, logits=False)
    assert limits[:2].tolist() == pytest.approx([0.57, -0.2])
    assert np.isinf(limits[2])


def test_of_logits_it_is_the_share_of_their_probability() -> None:
    scores = np.array([[4.0, 2.0, 9.0], [-3.0, 5.0, 1.0], [3.0, 2.0, 1.0]], np.float32)
    limits = score_limits(scores, RELEVANT, 0.95, logits=True)
    assert expit(limits[:2]).tolist() == pytest.approx([0.95 * expit(2.0), 0.95 * expit(-3.0)], rel=1e-5)
