import pytest

from pipeline.pick.budget import Budget, choose
from tests.pipeline.pick.test_budget import ROWS, artifact


def remedy(rows: object, **limits: float) -> str:
    choice = choose(rows, Budget.model_validate(limits))
    assert choice.selected is None
    assert choice.remedy is not None
    return choice.remedy


def test_the_nearest_by_each_limit_and_what_would_get_there() -> None:
    assert remedy(ROWS, min=84.5, latency_ms=1.5, size_mib=50) == (
        "by each limit alone, L6xD384-fp32 keeps accuracy (lower end 86.00), L1xD384-fp32 keeps latency (0.80 ms), "
        "L1xD384-fp32 keeps size (47 MiB); what would get there: int8-row in export.precisions, more layers, a student "
        "that learns more (student.epochs, more pairs) or a looser limit (accuracy 83.50, latency 1.6 ms, size 54 MiB)"
    )


def test_a_limit_that_none_keeps_even_alone() -> None:
    said = remedy(ROWS, latency_ms=0.5, min=85)
    assert "L1xD384-fp32 misses latency by 0.30 ms (0.80 against 0.50)" in said


@pytest.mark.parametrize(
    ("limits", "layers", "precision", "named"),
    [
        ({"dim": 32}, (3, 6), "fp32", "shorter vectors (export.cuts: [[3, 32]]) or a looser limit (vector"),
        ({"latency_ms": 0.1}, (3, 6), "fp32", "fewer than 3 layers (export.cuts), int8-row in export.precisions or "),
        ({"latency_ms": 0.1}, (1, 6), "int8-row", ": a smaller student.model or a looser limit (latency 1 ms)"),
        ({"size_mib": 1}, (1, 6), "int8-row", ": int4 in export.precisions or a looser limit (size 47 MiB)"),
        ({"texts_per_second": 9e9}, (1, 6), "int8-row", "model or a looser limit (throughput 1000 "),
        ({"min": 99}, (1, 6), "fp32", ": a student that learns more (student.epochs, more pairs) or a looser"),
    ],
)  # fmt: skip
def test_what_to_change_depends_on_what_is_there(
    limits: dict[str, float], layers: tuple[int, int], precision: str, named: str
) -> None:
    rows = [artifact(depth, 0.8 + depth / 100, depth, precision=precision) for depth in layers]
    assert named in remedy(rows, **limits)


def test_the_looser_limit_is_kept() -> None:
    rows = [artifact(6, 0.88, 4.8137)]
    assert remedy(rows, latency_ms=1).endswith("(latency 4.82 ms)")
    assert choose(rows, Budget(latency_ms=4.82)).selected is not None


def test_a_budget_that_is_kept_has_none() -> None:
    assert choose(ROWS, Budget(min=80)).remedy is None
