import pytest

from pipeline.report.training_logs import TrainingRecord
from pipeline.report.training_plot import smoothed, training_curves


def test_smoothing_keeps_a_straight_line_and_its_ends() -> None:
    line = [float(value) for value in range(100)]
    assert smoothed(line) == pytest.approx(line)
    assert smoothed([3.0]) == [3.0]


def test_smoothing_is_a_centred_mean() -> None:
    values = [0.0] * 80
    values[40] = 5.0
    assert smoothed(values)[38:43] == pytest.approx([1, 1, 1, 1, 1])
    assert sum(smoothed(values)) == pytest.approx(5)


def test_a_panel_for_what_was_logged_and_the_best_value_named() -> None:
    records = [TrainingRecord(step=step, loss=1 / (step + 1)) for step in range(0, 300, 10)]
    records += [TrainingRecord(step=step, dev=dev) for step, dev in ((100, 0.8), (200, 0.85), (290, 0.84))]
    figure = training_curves(records)
    assert figure is not None
    assert len(figure.axes) == 2
    assert figure.axes[1].get_title(loc="left") == "Development metric ×100: best 85.00 at step 200"
    loss, dev = figure.axes
    assert (loss.get_xlim()[0], loss.get_ylim()[0], dev.get_ylim()) == (0, 0, (79, 86))
    named = training_curves(records, "Spearman ×100, mean of every cut")
    assert named is not None
    assert named.axes[1].get_title(loc="left").startswith("Development Spearman ×100, mean of every cut: best 85.00")
    only_loss = training_curves(records[:30])
    assert only_loss is not None
    assert len(only_loss.axes) == 1


def test_nothing_logged_nothing_drawn() -> None:
    assert training_curves([]) is None
    assert training_curves([TrainingRecord(step=3)]) is None
