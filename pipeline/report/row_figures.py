"""Every figure of a row that the main table has no room for."""

from decant.table import MISSING
from pipeline.report.figures import (
    METRIC_NAMES,
    cosine,
    duration,
    parameters,
    points,
    share,
    significant,
    threshold,
)
from pipeline.report.rows import Row
from pipeline.report.unsteady import marked


def row_figures(row: Row) -> list[tuple[str, str]]:
    """What was measured and how people write it; what was not is left out."""
    return [(what, said) for what, said in [*_facts(row), *_accuracy(row), *_costs(row)] if said]


def _facts(row: Row) -> list[tuple[str, str]]:
    return [
        ("form", row.form or ""),
        ("runtime", row.runtime or ""),
        ("layers × dimensions", "" if row.layers is None else f"{row.layers} × {row.dim or MISSING}"),
        ("parameters", parameters(row.parameters) if row.parameters is not None else ""),
        ("trained on this task's labels", {True: "yes", False: "no", None: ""}[row.trained_on_labels]),
    ]


def _accuracy(row: Row) -> list[tuple[str, str]]:
    figures = []
    for name, measured in row.metrics.items():
        low, high = measured.ci95
        main = f"{points(measured.value)} (95 % interval {points(low)} to {points(high)})"
        figures.append((f"{METRIC_NAMES[measured.metric]}, {name}", main))
        others = [(metric, value) for metric, value in measured.values.items() if metric != measured.metric]
        figures += [(f"{METRIC_NAMES[metric]}, {name}", points(value)) for metric, value in others]
        if measured.threshold is not None:
            figures.append((f"threshold, chosen on dev, {name}", threshold(measured.threshold)))
        if measured.of_teacher is not None:
            figures.append((f"of the teacher, {name}", share(measured.of_teacher)))
        if measured.of_student is not None:
            figures.append((f"of the student, {name}", share(measured.of_student)))
        if measured.difference_to_teacher is not None:
            p = measured.difference_to_teacher.p
            figures.append((f"resamples not above the teacher, {name}", share(p)))
    if row.seeds is not None:
        said = f"{points(row.seeds.mean)} ± {points(row.seeds.sd)} (mean, sd of {row.seeds.count} seeds)"
        figures.append(("over seeds", said))
    return figures


def _costs(row: Row) -> list[tuple[str, str]]:
    figures = []
    for size, latency in row.latency_ms.items():
        said = f"{duration(latency.p50)} median, {duration(latency.p95)} for 95 of 100"
        figures.append((f"batch of {size}", marked(said, row.unsteady(f"latency_ms.{size}"))))
    if row.latency_parts is not None:
        each = row.latency_parts.model_dump(exclude={"steadiness"})
        parts = {name.removesuffix("_ms"): value for name, value in each.items()}
        said = " + ".join(map(significant, parts.values())) + " ms"
        figures.append((" + ".join(parts), marked(said, row.unsteady_parts)))
    if row.latency_by_tokens:
        lengths = " / ".join(
            marked(significant(ms), row.unsteady(f"latency_by_tokens.{tokens}"))
            for tokens, ms in row.latency_by_tokens.items()
        )
        figures.append((f"one text of {' / '.join(row.latency_by_tokens)} tokens", f"{lengths} ms"))
    if row.peak_memory_mib is not None:
        figures.append(("peak memory", f"{significant(row.peak_memory_mib)} MiB"))
    if row.parity is not None:
        figures.append(("lowest cosine to the exported model", cosine(row.parity.min_cosine)))
        figures.append(("lowest cosine of a text alone to itself in a batch", cosine(row.parity.batch_invariance)))
    return [*figures, ("note", row.note or "")]
