"""Whether distillation helped at all, and what to try where it did not."""

from collections.abc import Mapping

from pydantic import JsonValue

from pipeline.report.best_other import Gain, gain_over
from pipeline.report.figures import OF_QUERIES, points, rough_points, signed_points
from pipeline.report.main_table import References, main_metrics, references
from pipeline.report.row_names import BM25, STUDENT, UNTAUGHT, WORDS
from pipeline.report.rows import Report, Row


def no_gain(report: Report) -> str | None:
    """Sentences that the student is not clearly better than a model which was taught nothing, and what to try.

    A start model with more parameters than the student is no measure of what was learned, so it is left out.

    Returns:
        None where it is better than each by more than the interval, where none was measured, and where the recipe
        distils nothing.
    """
    student = next((row for row in report.rows if row.name == STUDENT and row.kind == "student"), None)
    if student is None or _setting(report.recipe, "student", "trained") is True:
        return None
    refer = references(report)
    found = [(gain, row) for row in _untaught(report, student) if (gain := gain_over(student, row, refer)) is not None]
    if not found:
        return None
    gain, other = min(found, key=lambda one: one[0].value)
    if gain.value > 0 and gain.sure:
        return None
    helped = "did not clearly help" if gain.value > 0 else "did not help"
    return f"Distillation {helped}: {_compared(student, other, gain, refer)}. {_try(report, other, refer)}"


def _untaught(report: Report, student: Row) -> list[Row]:
    rows = [row for row in report.rows if row.kind == "baseline" and row.name in UNTAUGHT]
    sizes = {row.name: row.parameters for row in rows}
    start = max((size for size in sizes.values() if size is not None), default=None)

    def larger(row: Row) -> bool:
        size = row.parameters or start
        return (
            row.name not in (WORDS, BM25)
            and None not in (size, student.parameters)
            and (size or 0) > (student.parameters or 0)
        )

    return [row for row in rows if not larger(row)]


def _compared(student: Row, other: Row, gain: Gain, refer: References) -> str:
    mine, theirs = (_figure(row, refer) for row in (student, other))
    how = "is worse than" if gain.value < 0 and gain.sure else "is not clearly better than"
    low, high = map(rough_points, gain.ci95 or (gain.value, gain.value))
    interval = f"{signed_points(gain.value)}, 95 % interval about {low} to {high}"
    return f"the {mine} {how} the {theirs}, which was taught nothing ({interval})"


def _figure(row: Row, refer: References) -> str:
    found = main_metrics(row, refer)
    return f"{row.name} ({points(found.value)})" if found is not None else row.name


def _try(report: Report, other: Row, refer: References) -> str:
    """What this recipe can change, the likeliest first."""
    recipe, ways = report.recipe, list[str]()
    teacher, theirs = main_metrics(refer.teacher, refer), main_metrics(other, refer)
    if teacher is not None and theirs is not None and teacher.value <= theirs.value:
        ways.append(_teacher(recipe))
    ranked = theirs is not None and theirs.metric in OF_QUERIES
    ways += [*_longer(recipe, "student"), "more training queries" if ranked else "more training pairs"]
    as_it_is = "the start model as it is" + ("" if ranked else " (student.trained: true)")
    ways += [as_it_is] if other.name not in (WORDS, BM25) else []
    ways[-1] = f"or {ways[-1]}" if len(ways) > 1 else ways[-1]
    return f"Try {'; '.join(ways)}."


def _teacher(recipe: Mapping[str, JsonValue]) -> str:
    """Another teacher, or the same one taught longer: this one is no better than what it is to improve."""
    kind, task = _setting(recipe, "teacher", "kind"), _setting(recipe, "texts", "task")
    tuned = not isinstance(task, dict) or task.get("kind") != "ranking"  # which no teacher is fine-tuned for
    ways = {
        "load": f"{'teacher.kind: fine_tune on your labels, or ' if tuned else ''}another teacher.model",
        "fine_tune": ", ".join([*_longer(recipe, "teacher"), "another teacher.model"]),
    }
    what = ways.get(str(kind), f"another model in embedding.teachers{', or its tune' if tuned else ''}")
    return f"a better teacher, as this one is no better itself ({what})"


def _longer(recipe: Mapping[str, JsonValue], section: str) -> list[str]:
    epochs = _setting(recipe, section, "epochs")
    known = isinstance(epochs, int) and not isinstance(epochs, bool) and 0 < epochs < 500
    return [f"{section}.epochs: {2 * epochs} instead of {epochs}"] if known and isinstance(epochs, int) else []


def _setting(recipe: Mapping[str, JsonValue], section: str, key: str) -> JsonValue:
    found = recipe.get(section)
    return found.get(key) if isinstance(found, dict) else None
