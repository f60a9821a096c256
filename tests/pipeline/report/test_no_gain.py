import pytest

from pipeline.report.no_gain import no_gain
from pipeline.report.rows import Report, Row
from tests.pipeline.report.conftest import metrics

RECIPE = {
    "name": "my", "student": {"epochs": 3, "trained": False},
    "teacher": {"kind": "fine_tune", "epochs": 4}, "embedding": None,
}  # fmt: skip


def held_to(report: Report, name: str, value: float, teacher: float = 0.85, **others: object) -> Report:
    """A report of a student at 86 with one more baseline, an own teacher's figure and another recipe."""
    taught = report.row("big").model_copy(update={"metrics": metrics(teacher)})
    rows = [taught if row.name == "big" else row for row in report.rows if row.name != name]
    rows.append(Row(name=name, kind="baseline", metrics=metrics(value)))
    return report.model_copy(update={"rows": tuple(rows), "recipe": RECIPE, **others})


def test_a_student_that_the_start_model_beats(report: Report) -> None:
    assert no_gain(held_to(report, "start model", 0.9)) == (
        "Distillation did not help: the student (86.00) is worse than the start model (90.00), which was taught "
        "nothing (-4.00, 95 % interval about -6.2 to -1.8). Try a better teacher, as this one is no better itself "
        "(teacher.epochs: 8 instead of 4, another teacher.model); student.epochs: 6 instead of 3; more training pairs; "
        "or the start model as it is (student.trained: true)."
    )


def test_a_student_that_is_better_by_less_than_the_interval(report: Report) -> None:
    said = no_gain(held_to(report, "bag of words", 0.85, teacher=0.88))
    assert said == (
        "Distillation did not clearly help: the student (86.00) is not clearly better than the bag of words (85.00), "
        "which was taught nothing (+1.00, 95 % interval about -1.2 to +3.2). Try student.epochs: 6 instead of 3; or "
        "more training pairs."
    )


@pytest.mark.parametrize(
    ("name", "value"), [("start model", 0.83), ("bag of words", 0.65), ("all-MiniLM in sentence-transformers", 0.95)]
)
def test_a_student_that_learned_is_not_told_off(report: Report, name: str, value: float) -> None:
    """Nor is one that another library's model beats, which this run did not start from."""
    assert no_gain(held_to(report, name, value)) is None


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"teacher": {"kind": "load"}}, "(teacher.kind: fine_tune on your labels, or another teacher.model); "),
        ({"teacher": None, "embedding": {}}, "(another model in embedding.teachers, or its tune); "),
        (
            {"teacher": {"kind": "fine_tune", "epochs": True}, "student": 3},
            "itself (another teacher.model); more training pairs; or ",
        ),
    ],
)
def test_what_to_try_comes_from_the_recipe(report: Report, recipe: dict[str, object], said: str) -> None:
    found = no_gain(held_to(report, "start model", 0.9).model_copy(update={"recipe": RECIPE | recipe}))
    assert found is not None
    assert said in found


def test_a_larger_start_model_is_no_measure_of_what_a_cut_learned(report: Report) -> None:
    beaten = held_to(report, "start model", 0.9)
    sizes = {"start model": 2_000_000, "student": 1_000_000}
    smaller = tuple(row.model_copy(update={"parameters": sizes.get(row.name)}) for row in beaten.rows)
    assert no_gain(beaten.model_copy(update={"rows": smaller})) is None
    same = tuple(row.model_copy(update={"parameters": 1_000_000}) for row in beaten.rows)
    assert no_gain(beaten.model_copy(update={"rows": same})) is not None


def test_where_nothing_was_distilled_there_is_nothing_to_say(report: Report) -> None:
    beaten = held_to(report, "start model", 0.9)
    assert no_gain(beaten.model_copy(update={"recipe": {"student": {"trained": True}}})) is None
    alone = tuple(row for row in beaten.rows if row.name != "student")
    assert no_gain(beaten.model_copy(update={"rows": alone})) is None
