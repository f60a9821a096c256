"""What stands behind the figures: paired differences, parity, losses of quantized groups, regressions, provenance."""

from decant.table import Cell, Column, Line, Table, line, number_columns, text_columns
from pipeline.measure.set_metrics import SetMetrics
from pipeline.report.figures import cosine, difference, rough_points, share, signed_points
from pipeline.report.machine import Environment
from pipeline.report.main_table import label, main_metrics, references, sorted_rows
from pipeline.report.rows import Parity, Report, Row

GATES = {True: ("passed", "good"), False: ("FAILED", "bad"), None: ("none set", "")}


def paired_table(report: Report) -> Table:
    """Every row whose difference to the teacher was measured on the main test set."""
    refer = references(report)
    teacher = main_metrics(refer.teacher, refer)
    lines = []
    for row in sorted_rows(report):
        measured = main_metrics(row, refer)
        if measured is not None and row.kind != "teacher":
            lines += _paired(label(row), measured, teacher, picked=row.name == report.selected)
    columns = number_columns("points against the teacher", "95 % interval", "resamples not above the teacher")
    said = (
        "Both models are judged on the same bootstrap resamples of the test set, so that examples which are hard for "
        "both do not blur the difference. Above or below: the interval excludes zero."
    )
    return Table((Column("model"), *columns, Column("verdict")), tuple(lines), (said,))


def parity_table(report: Report) -> Table:
    """Every row's parity figures, and whether its gates hold."""
    lines = [
        line(label(row), *_parity(row.parity), picked=row.name == report.selected)
        for row in sorted_rows(report)
        if row.parity is not None
    ]
    columns = number_columns("min cosine to the exported model", "min cosine alone/in a batch")
    return Table((Column("model"), *columns, Column("gate")), tuple(lines))


def loss_table(row: Row) -> Table:
    """A row's quantized groups, the costliest first, with bars as shares of the greatest loss."""
    most = max((one.loss for one in row.sensitivity), default=0.0)
    lines = [
        line(one.group, f"{one.loss:.2g}", Cell("", bars=(_share(one.loss, most),)), "kept" if one.kept else "")
        for one in row.sensitivity
    ]
    columns = (Column("group"), Column("1 − cosine", True), Column("of the greatest", drawn=True))
    return Table((*columns, Column("kept in float32")), tuple(lines))


def regression_table(report: Report) -> Table:
    """Pairs that the student judges worst, beside the teacher."""
    lines = [
        line(Cell(pair.first, style="text"), Cell(pair.second, style="text"),
             *(f"{score:.2f}" for score in (pair.label, pair.teacher, pair.model)))
        for pair in report.regressions
    ]  # fmt: skip
    said = "Scores are places among all test pairs, from 0, least alike, to 1; for classes, class numbers."
    columns = (*text_columns("first text", "second text"), *number_columns("label", "teacher", "student"))
    return Table(columns, tuple(lines), (said,))


def provenance(report: Report) -> list[tuple[str, str]]:
    """Seed, digests, machine and versions."""
    seed = report.recipe.get("seed")
    facts = [
        ("seed", str(seed) if seed is not None else ""),
        ("recipe, sha256", report.recipe_sha256 or ""),
        *[(f"{split} pairs, sha256", digest) for split, digest in report.data_sha256.items()],
        *_machine(report.environment),
    ]
    return [(what, said) for what, said in facts if said]


def _machine(environment: Environment) -> list[tuple[str, str]]:
    busy = environment.busy
    return [
        ("processor", environment.cpu),
        ("features", ", ".join(environment.cpu_features) or "unknown"),
        ("cores, threads", f"{environment.cores}, {environment.threads}"),
        ("memory", f"{environment.memory_gib} GiB" if environment.memory_gib is not None else ""),
        ("busy with other work", f"{100 * busy:.0f} % of the cores, just before measuring" if busy is not None else ""),
        ("GPU", environment.gpu or "none"),
        ("system", f"{environment.os}, Python {environment.python}"),
        *environment.libraries.items(),
    ]


def _paired(name: str, measured: SetMetrics, teacher: SetMetrics | None, *, picked: bool) -> list[Line]:
    paired = measured.difference_to_teacher
    if paired is None:
        return []
    low, high = paired.ci95
    verdict = "below" if high < 0 else "above" if low > 0 else "no clear difference"
    interval = f"{rough_points(low)} to {rough_points(high)}"
    gain = difference(measured.value, teacher.value) if teacher is not None else signed_points(paired.mean)
    return [line(name, gain, interval, share(paired.p), verdict, picked=picked)]


def _parity(parity: Parity) -> tuple[Cell, ...]:
    figures = [
        Cell(cosine(value), notes=() if required is None else (f"needs {required}",))
        for value, required in (
            (parity.min_cosine, parity.required_min_cosine),
            (parity.batch_invariance, parity.required_batch_invariance),
        )
    ]
    said, style = GATES[parity.passed]
    return *figures, Cell(said, style=style)


def _share(loss: float, most: float) -> float:
    """In percent of the greatest."""
    return round(100 * max(loss, 0.0) / most, 1) if most > 0 else 0.0
