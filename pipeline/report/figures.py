"""How each kind of figure is written for people. ASCII minus signs: tables are copied into spreadsheets.

A figure is rounded once, from what was measured, by the function of its kind here: wherever it stands, it is the same
text. A difference stands beside both its figures, so it is that of the two as written (`difference`): readers subtract
them. The interval beside a difference is that of the unrounded ones.
"""

from collections.abc import Callable

from decant.table import MISSING

METRIC_NAMES = {
    "spearman": "Spearman",
    "pearson": "Pearson",
    "f1": "F1",
    "accuracy": "Accuracy",
    "average_precision": "Average precision",
    "macro_f1": "Macro F1",
    "precision": "Precision",
    "recall": "Recall",
    "neighbour_recall": "Recall of the teacher's 10 nearest",
    "ndcg": "nDCG@10",
    "ndcg_at_10": "nDCG@10",
    "mrr_at_10": "MRR@10",
    "recall_at_100": "Recall@100",
    "map_at_1000": "MAP@1000",
}
OF_QUERIES = ("ndcg_at_10", "mrr_at_10", "recall_at_100", "map_at_1000")


def counted(examples: int, metric: str) -> str:
    """Write how many a figure is of: 1,379 examples, or 300 queries of a ranking."""
    return f"{examples:,} {'queries' if metric in OF_QUERIES else 'examples'}"


def points(fraction: float) -> str:
    """Write a fraction ×100 with two decimals, as the field does: 0.8203 -> 82.03."""
    return f"{100 * fraction:.2f}"


def signed_points(fraction: float) -> str:
    """Write a difference of fractions ×100 with its sign: 0.0119 -> +1.19."""
    return f"{100 * fraction:+.2f}"


def difference(fraction: float, other: float) -> str:
    """Write what one fraction exceeds another by, ×100, as both are written: 0.87975 and 0.8473 -> +3.25.

    It is at most 0.01 from the difference of what was measured.
    """
    return f"{float(points(fraction)) - float(points(other)):+.2f}"


def rough_points(fraction: float) -> str:
    """Write an interval's bound, whose second decimal would be noise: -0.0213 -> -2.1."""
    return f"{100 * fraction:+.1f}"


def share(fraction: float) -> str:
    """Write what a part keeps of a whole, as percent with one decimal: 0.9917 -> 99.2 %."""
    return f"{100 * fraction:.1f} %"


def cosine(value: float) -> str:
    """Write a cosine of vectors that are to be the same: 0.98966 -> 0.989660."""
    return f"{value:.6f}"


def significant(value: float) -> str:
    """Write three significant digits, at most two decimals: 2.7 -> 2.70, 33123 -> 33,123."""
    size = abs(value)
    decimals = 0 if size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{value:,.{decimals}f}"


def or_missing(value: float | None, write: Callable[[float], str] = significant) -> str:
    """Write what may not have been measured."""
    return MISSING if value is None else write(value)


def with_half(fraction: float, interval: tuple[float, float]) -> str:
    """Write a fraction ×100 with half of its interval: 82.03 ±1.4."""
    low, high = interval
    return f"{points(fraction)} ±{100 * (high - low) / 2:.1f}"


def threshold(score: float) -> str:
    """Write a score from which a pair is of class 1, as code takes it: 0.71342 -> 0.7134."""
    return f"{score:.4f}"


def ratio(value: float) -> str:
    """Write a factor: 3.54 -> 3.5×, 14.2 -> 14×, 180000 -> 180,000×."""
    if value >= 1000:
        digits = len(f"{value:.0f}") - 2
        value = round(value / 10**digits) * 10**digits  # more digits would pretend to a precision of timing
    return f"{value:.2f}×" if value < 0.995 else f"{value:.1f}×" if value < 9.95 else f"{value:,.0f}×"


def duration(milliseconds: float) -> str:
    """Write a time in the unit that people would choose: 1.93 ms, 12.3 s, 5.5 min, 2.1 h."""
    for limit, divisor, unit in ((1000, 1, "ms"), (120_000, 1000, "s"), (7_200_000, 60_000, "min")):
        if milliseconds < limit:
            return f"{significant(milliseconds / divisor)} {unit}"
    return f"{significant(milliseconds / 3_600_000)} h"


def parameters(count: int) -> str:
    """Write a parameter count: 22713216 -> 22.7 M."""
    return f"{count / 1e6:.1f} M" if count < 1e9 else f"{count / 1e9:.2f} B"
