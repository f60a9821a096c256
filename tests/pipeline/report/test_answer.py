from pipeline.report.answer import answer, headlines
from pipeline.report.main_table import main_table
from pipeline.report.rows import Report, Row


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
