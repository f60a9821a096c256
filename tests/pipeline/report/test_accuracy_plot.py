import io
from dataclasses import replace
from itertools import combinations

import pytest
from PIL import Image

from pipeline.report.accuracy_plot import Point, accuracy_against_latency, distinct_steps, pareto_front
from pipeline.report.plot_theme import DARK, LIGHT, Theme, png
from pipeline.report.rows import Report, Row
from tests.pipeline.report.conftest import latency, metrics


def test_pareto_front_by_hand() -> None:
    #        fast+weak, dominated, best trade, equal but slower, slow+strong
    costs, gains = [1.0, 2.0, 2.0, 3.0, 9.0], [70.0, 69.0, 80.0, 80.0, 85.0]
    assert pareto_front(costs, gains) == [0, 2, 4]


def test_pareto_front_of_equal_costs_keeps_the_better() -> None:
    assert pareto_front([1, 1], [5, 6]) == [1]


def point(value: float, *, selected: bool = False) -> Point:
    return Point(value - 69, value, value - 1, value + 1, "artifact", f"{value}", selected)


def test_a_step_of_the_line_is_named_by_the_selected_or_the_cheapest() -> None:
    front = [point(70), point(70.5), point(75), point(75.3, selected=True), point(76), point(80)]
    # steps of less than 0.8 points: 70 and 70.5; 75 and 75.3; 76, which is a point above 75; 80
    assert [one.value for one in distinct_steps(front)] == [70, 75.3, 76, 80]
    beside = Point(6.1, 74.8, 74, 76, "artifact", "beside", selected=True)
    assert [one.value for one in distinct_steps([front[0], front[2], front[5]], beside)] == [70, 80]
    apart = replace(beside, milliseconds=9.0)
    assert [one.value for one in distinct_steps([front[0], front[2], front[5]], apart)] == [70, 75, 80]
    assert distinct_steps([]) == []
    assert distinct_steps(front[:1]) == front[:1]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_names_of_timed_rows_stand_apart_inside_the_plot(report: Report, theme: Theme) -> None:
    figure = accuracy_against_latency(report, theme)
    assert figure is not None
    (axis,) = figure.axes
    texts = {text.get_text().split("  ")[0]: text.get_window_extent() for text in axis.texts}
    assert set(texts) == {row.name for row in report.rows if row.latency_ms}
    assert not any(a.overlaps(b) for a, b in combinations(texts.values(), 2))
    assert all(axis.get_window_extent().containsx(box.x1) for box in texts.values())
    assert "Not timed: bag of words 65.00" in axis.get_title(loc="left")


def test_many_rows_name_only_those_that_matter(report: Report) -> None:
    base = report.row("L6xD384-fp32")
    slow = tuple(base.model_copy(update={"name": f"copy {index}"}) for index in range(12))
    figure = accuracy_against_latency(report.model_copy(update={"rows": (*report.rows, *slow)}))
    assert figure is not None
    named = {text.get_text().split("  ")[0] for text in figure.axes[0].texts}
    assert named == {"big", "peer", "student", "L6xD384-int8", "L6xD384-fp32"}
    close = report.row("L6xD384-int8").model_copy(
        update={"name": "close", "metrics": metrics(0.857), "latency_ms": latency(1.4)}
    )
    deep = close.model_copy(update={"name": "deep", "metrics": metrics(0.9), "latency_ms": latency(20)})
    figure = accuracy_against_latency(report.model_copy(update={"rows": (*report.rows, *slow, close, deep)}))
    assert figure is not None
    assert {text.get_text().split("  ")[0] for text in figure.axes[0].texts} == named | {"deep"}


def test_too_little_to_plot(report: Report) -> None:
    assert accuracy_against_latency(report.model_copy(update={"rows": report.rows[:1], "selected": None})) is None
    untimed = (Row(name="a", kind="student"), Row(name="b", kind="teacher"))
    assert accuracy_against_latency(report.model_copy(update={"rows": untimed, "selected": None})) is None


def test_png_is_twice_the_shown_size(report: Report) -> None:
    figure = accuracy_against_latency(report)
    assert figure is not None
    with Image.open(io.BytesIO(png(figure))) as image:
        assert image.size == (1600, 1000)
        assert image.format == "PNG"
