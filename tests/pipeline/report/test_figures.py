import pytest

from pipeline.report.figures import (
    duration,
    parameters,
    points,
    ratio,
    rough_points,
    share,
    signed_points,
    significant,
)


def test_fractions_are_shown_times_hundred() -> None:
    assert points(0.82034) == "82.03"
    assert signed_points(0.0119) == "+1.19"
    assert signed_points(-0.1978) == "-19.78"
    assert rough_points(-0.0213) == "-2.1"
    assert share(0.99166) == "99.2 %"


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.724, "0.72"), (2.7, "2.70"), (9.996, "10.0"), (33.14, "33.1"), (99.96, "100"), (33123, "33,123")],
)
def test_three_digits(value: float, said: str) -> None:
    assert significant(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.44, "0.44×"), (0.996, "1.0×"), (3.54, "3.5×"), (9.96, "10×"), (14.2, "14×"), (139_047, "140,000×")],
)
def test_ratios(value: float, said: str) -> None:
    assert ratio(value) == said


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [(1.93, "1.93 ms"), (999, "999 ms"), (12_340, "12.3 s"), (330_000, "5.50 min"), (7_560_000, "2.10 h")],
)
def test_durations(milliseconds: float, said: str) -> None:
    assert duration(milliseconds) == said


def test_parameters() -> None:
    assert parameters(22_713_216) == "22.7 M"
    assert parameters(1_100_000_000) == "1.10 B"
