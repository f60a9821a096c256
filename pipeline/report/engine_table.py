"""TensorRT engines as a table, for every format alike."""

from collections.abc import Sequence

from decant.table import MISSING, Column, Table, line, number_columns, text_columns
from pipeline.report.figures import cosine, duration, or_missing, significant
from pipeline.report.rows import Engine, Report

COLUMNS = (
    *text_columns("cut", "engine", "precision", "runs on"),
    *number_columns("MiB", "built in", "layers", "weights, MiB", "activations, MiB"),
    Column("state"),
)


def engine_table(report: Report) -> Table:
    """A row an engine."""
    lines = tuple(line(*_cells(engine)) for engine in report.engines)
    return Table(COLUMNS, lines, tuple(_legend(report.engines)))


def _cells(engine: Engine) -> list[str]:
    facts = engine.facts
    return [
        engine.name, f"{facts.kind} {facts.version}", facts.precision, facts.runs_on, significant(facts.size_mib),
        duration(1000 * facts.build_seconds), _layers(engine), or_missing(facts.weights_mib),
        or_missing(facts.activations_mib), engine.state,
    ]  # fmt: skip


def _legend(engines: Sequence[Engine]) -> list[str]:
    """Sentences that say what the table holds, and what was not done."""
    if not engines:
        return []
    least, usual, most = engines[0].facts.shapes
    said = [
        f"TensorRT engines take {_by(least)} to {_by(most)} (texts × tokens) and are tuned for {_by(usual)}. Layers "
        "are the kernels that the builder fused the graph into, by the type of their output; activations are the "
        "memory that the largest shape takes. The JSON file beside each engine lists every layer."
    ]
    if any(engine.facts.checked == "header" for engine in engines):
        said.append(
            "Built, not run here: the runtime accepts the file's header; anything more needs a GPU. "
            "No accuracy or speed of such an engine was measured."
        )
    cosines = [engine.graph_cosine for engine in engines if engine.graph_cosine is not None]
    if cosines:
        said.append(
            f"Before it was built, a float16 graph was compared in onnxruntime with the float32 one: cosine "
            f"{cosine(min(cosines))} at least."
        )
    return said


def _layers(engine: Engine) -> str:
    facts = engine.facts
    kinds = ", ".join(f"{count} {kind}" for kind, count in facts.layers_by_type.items())
    return f"{facts.layers} ({kinds})" if kinds else str(facts.layers or MISSING)


def _by(shape: tuple[int, int]) -> str:
    return f"{shape[0]}×{shape[1]}"
