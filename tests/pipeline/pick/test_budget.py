import pytest
from pydantic import ValidationError

from decant.errors import InputError
from pipeline.pick.budget import Budget, accuracy_floor, accuracy_set, choose, steady_artifacts
from pipeline.report.card import INVARIANT
from pipeline.report.rows import Parity, Row
from tests.pipeline.report.conftest import TEACHER, latency, metrics

STEADY = Parity(min_cosine=1, batch_invariance=1)


def artifact(layers: int, value: float, milliseconds: float, dim: int = 384, **others: object) -> Row:
    """An artifact whose interval reaches from 2 points below its value to 1 above."""
    return Row(
        name=f"L{layers}xD{dim}-fp32", kind="artifact", layers=layers, dim=dim, metrics=metrics(value),
        latency_ms=latency(milliseconds), texts_per_second=1000 / milliseconds, size_mib=40 + 7 * layers, parity=STEADY,
    ).model_copy(update=others)  # fmt: skip


ROWS = (
    Row(name="big", kind="teacher", metrics=metrics(TEACHER)),
    artifact(6, 0.88, 4.8),
    artifact(3, 0.87, 2.4),
    artifact(3, 0.86, 2.5, dim=64),
    artifact(2, 0.855, 1.6),
    artifact(1, 0.82, 0.8),
    artifact(6, 0.88, 0.4, name="int8", parity=Parity(min_cosine=0.99, batch_invariance=INVARIANT - 1e-6)),
    Row(name="start", kind="baseline", metrics=metrics(0.99), latency_ms=latency(0.1), parity=STEADY),
)


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ({"min": 84}, "L3xD384-fp32"),
        ({"min": 85}, "L3xD384-fp32"),  # its lower end is 85 exactly
        ({"min": 85.01}, "L6xD384-fp32"),
        ({"min": 84, "dim": 64}, "L3xD64-fp32"),
        ({"min": 80}, "L1xD384-fp32"),
        ({"max_loss": 1}, "L3xD384-fp32"),
        ({"max_loss": 1.5}, "L2xD384-fp32"),
        ({"min_of_teacher": 0.98}, "L2xD384-fp32"),
        ({"min_of_teacher": 0.98, "min": 85.5}, "L6xD384-fp32"),
        ({}, "L6xD384-fp32"),
        ({"latency_ms": 2.4}, "L3xD384-fp32"),
        ({"latency_ms": 2}, "L2xD384-fp32"),
        ({"texts_per_second": 1000}, "L1xD384-fp32"),
        ({"size_mib": 61}, "L3xD384-fp32"),
        ({"dim": 64}, "L3xD64-fp32"),
    ],
)
def test_the_fastest_above_the_floor_or_the_most_accurate_within_the_limits(
    limits: dict[str, float], name: str
) -> None:
    choice = choose(ROWS, Budget.model_validate(limits))
    assert choice.selected is not None
    assert choice.selected.name == name
    assert choice.nearest is None
    assert choice.misses == ()


def test_only_artifacts_that_do_not_depend_on_the_batch_are_chosen_from() -> None:
    names = [row.name for row in steady_artifacts(ROWS)]
    assert names == ["L6xD384-fp32", "L3xD384-fp32", "L3xD64-fp32", "L2xD384-fp32", "L1xD384-fp32"]
    unmeasured = ROWS[1].model_copy(update={"parity": None})
    assert steady_artifacts([unmeasured]) == []


def test_the_rule_is_told_with_its_limits() -> None:
    assert choose(ROWS, Budget(min=84, latency_ms=3)).because == (
        "the artifact of lowest latency within the budget: Spearman on stsb/test at least 84.00 with the interval's "
        "lower end, latency at most 3 ms"
    )
    assert choose(ROWS, Budget(size_mib=61)).because == (
        "the artifact of best Spearman on stsb/test within the budget: size at most 61 MiB"
    )
    assert choose(ROWS, Budget()).because == "the artifact of best Spearman on stsb/test"


def test_faster_rows_that_keep_the_floor_by_their_value_alone_are_told() -> None:
    assert choose(ROWS, Budget(min=84)).note == (
        "Keep 84.00 by their value but not by the interval's lower end: L2xD384-fp32 (85.50, interval from 83.50)."
    )
    assert choose(ROWS, Budget(min=84, texts_per_second=100)).note is not None
    assert choose(ROWS, Budget(min=80)).note is None
    assert choose(ROWS, Budget(latency_ms=2)).note is None
    infeasible = choose(ROWS, Budget(min=85.9, latency_ms=2.45))
    assert infeasible.selected is None
    assert infeasible.note is not None
    assert infeasible.note.endswith(": L3xD384-fp32 (87.00, interval from 85.00).")


def test_an_infeasible_budget_names_the_nearest_and_every_miss() -> None:
    choice = choose(ROWS, Budget(min=84.5, latency_ms=1.5, size_mib=50))
    # L2: (0.845-0.835)/0.155 + 0.1/1.5 + 4/50 = 0.21; L1: 0.045/0.155 = 0.29; L3: 0.9/1.5 + ... = 0.82
    assert choice.selected is None
    assert choice.nearest is not None
    assert choice.nearest.name == "L2xD384-fp32"
    assert choice.because == (
        "infeasible: nearest is L2xD384-fp32, which misses accuracy by 1.00 points (lower end 83.50 against 84.50), "
        "latency by 0.10 ms (1.60 against 1.50) and size by 4 MiB (54 against 50)"
    )
    assert [miss.limit for miss in choice.misses] == ["accuracy", "latency", "size"]
    assert choice.floor == pytest.approx(0.845)


def test_a_single_miss() -> None:
    because = choose(ROWS, Budget(dim=32)).because
    assert because.endswith("which misses vector length by 32 dimensions (64 against 32)")
    assert because.startswith("infeasible: nearest is L3xD64-fp32, ")


def test_nothing_to_choose_from_is_infeasible() -> None:
    choice = choose(ROWS[:1], Budget(latency_ms=1))
    assert (choice.selected, choice.nearest, choice.misses) == (None, None, ())
    assert choice.because == "infeasible: there is no artifact"
    unsteady = choose([row for row in ROWS if row.name == "int8"], Budget())
    assert unsteady.because == "infeasible: no artifact gives a text the same vector alone and in a batch"


def test_equal_latency_or_accuracy_is_decided_by_the_other() -> None:
    rows = [artifact(2, 0.86, 2), artifact(2, 0.87, 2, dim=64), artifact(3, 0.87, 3)]
    for budget in (Budget(min=80), Budget()):
        selected = choose(rows, budget).selected
        assert selected is not None
        assert selected.name == "L2xD64-fp32"


def test_what_was_not_timed_comes_last() -> None:
    rows = [artifact(3, 0.87, 3, latency_ms={}), artifact(6, 0.88, 4)]
    selected = choose(rows, Budget(min=80)).selected
    assert selected is not None
    assert selected.name == "L6xD384-fp32"


def test_the_highest_floor_counts() -> None:
    floors = {"min": 83, "min_of_teacher": 0.99, "max_loss": 3}
    assert accuracy_floor(ROWS, Budget.model_validate(floors)) == pytest.approx(0.99 * TEACHER)
    assert accuracy_floor(ROWS, Budget(max_loss=3)) == pytest.approx(TEACHER - 0.03)
    assert accuracy_floor(ROWS, Budget(latency_ms=1)) is None


def test_a_metric_names_the_first_set_that_it_is_the_main_one_of() -> None:
    other = metrics(0.5)["stsb/test"].model_copy(update={"metric": "accuracy", "accuracy": 0.9, "ci95": (0.88, 0.92)})
    rows = [row.model_copy(update={"metrics": {**row.metrics, "sst2/test": other}}) for row in ROWS]
    assert accuracy_set(rows) == "stsb/test"
    assert accuracy_set(rows, "accuracy") == "sst2/test"
    choice = choose(rows, Budget(metric="accuracy", min=88))
    assert choice.selected is not None
    assert (choice.selected.name, choice.set_name) == ("L1xD384-fp32", "sst2/test")
    with pytest.raises(InputError, match=r"metric pearson is no .* \(there is spearman on stsb/test\); name one"):
        choose(ROWS, Budget(metric="pearson"))
    assert accuracy_set([]) is None


@pytest.mark.parametrize("limits", [{"min_of_teacher": 0.98}, {"max_loss": 1}])
def test_a_floor_by_the_teacher_needs_one(limits: dict[str, float]) -> None:
    with pytest.raises(InputError, match="needs the teacher's accuracy, which was not measured; give the least"):
        choose(ROWS[1:], Budget.model_validate(limits))
    with pytest.raises(InputError, match=r"needs the teacher's accuracy, which is -20\.00; give the least"):
        choose([Row(name="big", kind="teacher", metrics=metrics(-0.2)), *ROWS[1:]], Budget.model_validate(limits))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"min": 101}, "min\n.*less than or equal to 100"),
        ({"min": 0.84}, r"accuracy is ×100 here, as reports print it: above 1 and at most 100 \(84, not 0\.84\)"),
        ({"min": -3}, "above 1 and at most 100"),
        ({"min": float("nan")}, "min\n.*finite number"),
        ({"min_of_teacher": 98}, "min_of_teacher\n.*less than or equal to 1"),
        ({"min_of_teacher": 0}, "min_of_teacher\n.*greater than 0"),
        ({"max_loss": -1}, "max_loss\n.*greater than or equal to 0"),
        ({"latency_ms": -1}, "latency_ms\n.*greater than 0"),
        ({"latency_ms": float("inf")}, "latency_ms\n.*finite number"),
        ({"texts_per_second": 0}, "texts_per_second\n.*greater than 0"),
        ({"size_mib": 0}, "size_mib\n.*greater than 0"),
        ({"dim": 0}, "dim\n.*greater than or equal to 1"),
        ({"metric": "recall"}, "metric\n.*'spearman'"),
        ({"latency": 2}, "latency\n.*Extra inputs"),
    ],
)
def test_impossible_budgets_are_refused(limits: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Budget.model_validate(limits)
