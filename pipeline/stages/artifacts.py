"""Stage `artifacts`: the folders to ship, each with its model card and a manifest of sha256 digests."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from export.bundle import COMPARATOR, GRAPH, write_artifact
from pipeline.recipe import Recipe, recipe_digest
from pipeline.report.card import INVARIANT, CardFacts, model_card
from pipeline.report.rows import Report, Row
from pipeline.run_dir import RunDir, Stage, fingerprint
from pipeline.stages.graphs import Graph
from pipeline.stages.measure import Measured
from pipeline.texts.load import Texts
from students.student import Student
from teachers.encoder import SentenceEncoder
from teachers.reference import HUB_ID

VERSION = 1


def artifacts_stage(
    recipe: Recipe, base: Path, texts: Texts, student: Stage, graphs: list[Graph], measured_done: Stage,
    measured: Measured, run_dir: RunDir,
) -> tuple[Stage, Report]:  # fmt: skip
    """A folder a precision under `artifacts/`, and the report that their cards quote."""
    report = _report(recipe, texts, measured)
    inputs: dict[str, object] = {
        "graphs": [graph.fingerprint for graph in graphs],
        "measured": measured_done.fingerprint,
    }
    inputs |= {"recipe": recipe_digest(recipe), "decant": decant_version()}

    def write(folder: Path) -> None:
        encoder = Student.load(student.folder).encoder
        for graph in graphs:
            row = report.row(graph.name)
            comparator = graph.folder / COMPARATOR
            write_artifact(
                folder / graph.name, encoder, graph.folder / GRAPH, name=f"{recipe.name}-{graph.name}",
                precision=graph.precision, card=model_card(report, graph.name, _facts(recipe, base, encoder)),
                recipe_sha256=recipe_digest(recipe), parity=graph.parity,
                metrics={name: metrics.model_dump(mode="json") for name, metrics in row.metrics.items()},
                comparator_graph=comparator if comparator.is_file() else None,
            )  # fmt: skip

    return run_dir.make("artifacts", fingerprint("artifacts", VERSION, inputs), write), report


def decant_version() -> str:
    """The installed distribution's version."""
    try:
        return version("decant")
    except PackageNotFoundError:
        return "not installed"


def _report(recipe: Recipe, texts: Texts, measured: Measured) -> Report:
    chosen = _fastest_steady([row for row in measured.rows if row.kind == "artifact"])
    notes = list(measured.notes)
    dropped = texts.dropped_counts()
    if dropped:
        said = ", ".join(f"{count} {kind}" for kind, count in dropped.items())
        notes.append(f"Rows dropped from the texts: {said}; texts/texts.json names each.")
    return Report(
        recipe=recipe.model_dump(mode="json"),
        environment=measured.environment,
        rows=measured.rows,
        selected=chosen.name if chosen else None,
        selected_because="the fastest artifact whose vectors do not depend on the batch" if chosen else None,
        notes=tuple(notes),
        training_curves="../student/training/csv/metrics.csv",
        regressions=measured.regressions,
    )


def _fastest_steady(rows: list[Row]) -> Row | None:
    steady = [row for row in rows if row.parity is not None and row.parity.batch_invariance >= INVARIANT]
    return max(steady, key=lambda row: row.texts_per_second or 0.0, default=None)


def _facts(recipe: Recipe, base: Path, encoder: SentenceEncoder) -> CardFacts:
    def named(reference: str) -> str | None:
        local = (base / reference).exists() or reference.startswith("package:")
        return reference if "/" in reference and not local and HUB_ID.fullmatch(reference) else None

    return CardFacts(
        max_length=encoder.max_length,
        pad_token=str(encoder.tokenizer.pad_token),
        pad_id=int(encoder.tokenizer.pad_token_id),
        base_model=named(recipe.student.model),
        teacher=named(recipe.teacher.model),
        decant_version=decant_version(),
        sentence_transformers=encoder.pooling != "concat_top_mean",
        comparator=recipe.student.form == "comparator",
    )
