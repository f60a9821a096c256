from pipeline.report.answer import answer, headlines
from pipeline.report.main_table import main_table
from pipeline.report.rows import Report, Row
from tests.pipeline.report.conftest import metrics


def test_the_answer_says_what_to_ship_what_it_loses_and_how_fast_it_is(report: Report) -> None:
    assert answer(report) == (
        "Ship L6xD384-int8 (22.3 MiB): it reaches Spearman 85.50 on stsb/test, no clear difference from the "
        "teacher's 85.00 (+0.50, 95 % interval -1.0 to +2.0), scores pairs 15× as fast as the teacher with "
        "nothing cached, and answers one query against 10,000 indexed texts in 2.10 ms instead of 5.50 min."
    )


def test_a_certain_loss_is_called_a_loss(report: Report) -> None:
    rows = [row.name for row in report.rows]
    assert "peer" in rows
    worse = report.model_copy(update={"selected": "peer"})
    assert "3.00 points below the teacher (95 % interval -4.5 to -1.5)" in answer(worse)


def test_nothing_to_ship(report: Report) -> None:
    none = report.model_copy(update={"selected": None, "selected_because": "none under 1 ms"})
    assert answer(none) == "Ship nothing: no artifact fits the budget (none under 1 ms)."
    assert headlines(none) == []


def test_without_any_figure_only_the_name_is_said(report: Report) -> None:
    bare = report.row("student").model_copy(update={"metrics": {}, "texts_per_second": None})
    alone = report.model_copy(update={"rows": (bare,), "selected": "student"})
    assert answer(alone) == "Ship student."


def test_headlines_of_the_pick(report: Report) -> None:
    assert [headline.value for headline in headlines(report)] == [
        "85.50",
        "+0.50",
        "15×",
        "1.30 ms",
        "22.3 MiB",
    ]


def with_baseline(report: Report, name: str, value: float) -> Report:
    return report.model_copy(update={"rows": (*report.rows, Row(name=name, kind="baseline", metrics=metrics(value)))})


def test_the_best_of_teacher_start_model_and_baselines_is_what_a_pick_is_held_to(report: Report) -> None:
    """The pick: 0.855 in 0.835 to 0.865; a baseline: as far to its left and right."""
    start = with_baseline(report, "start model", 0.9)
    # the difference: -0.045, less hypot(0.02, 0.01), more hypot(0.01, 0.02)
    said = (
        "4.50 points below the start model (95 % interval about -6.7 to -2.3), the best of teacher and baselines (the "
        "teacher reaches 85.00), scores pairs"
    )
    assert said in answer(start)
    assert [(one.value, one.what, one.detail) for one in headlines(start)][1] == (
        "-4.50", "points against the start model", "start model 90.00",
    )  # fmt: skip
    near = answer(with_baseline(report, "peer two", 0.853))
    assert "no clear difference from peer two at 85.30 (+0.20, 95 % interval about -2.0 to +2.4), the best of" in near


def test_a_pick_far_above_its_teacher_is_held_to_the_words_that_beat_it(report: Report) -> None:
    weak = report.row("big").model_copy(update={"metrics": metrics(0.5)})
    rows = tuple(weak if row.name == "big" else row for row in report.rows if row.name != "peer")
    worst = with_baseline(report.model_copy(update={"rows": rows}), "start model", 0.4)
    said = answer(worst)
    assert "20.50 points above the bag of words (95 % interval about +18.3 to +22.7)" in said
    assert "the teacher reaches 50.00" in said
    assert "above the teacher" not in said


def test_of_equals_the_teacher_is_named(report: Report) -> None:
    assert answer(with_baseline(report, "other", 0.85)) == answer(report)


def test_agreement_is_called_so_and_not_set_against_the_teachers_own(report: Report) -> None:
    def agreed(row: Row) -> Row:
        metrics = {name: one.model_copy(update={"texts": 50}) for name, one in row.metrics.items()}
        return row.model_copy(update={"metrics": metrics})

    without_labels = report.model_copy(update={"rows": tuple(map(agreed, report.rows))})
    said = answer(without_labels)
    assert "it reaches Spearman 85.50 on stsb/test, which is agreement with the teacher, scores pairs" in said
    first, second = headlines(without_labels)[:2]
    assert first.what == "agreement with the teacher (Spearman, stsb/test)"
    assert second.what == "the teacher's speed"
    assert any("agreement with the teacher, without labels" in line for line in main_table(without_labels).legend)
    assert not any("agreement" in line for line in main_table(report).legend)
