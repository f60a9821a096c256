"""Stage `artifacts`: the folders to ship, each with its model card and a manifest of sha256 digests."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from decant.models.encoder import SentenceEncoder
from decant.models.reference import HUB_ID
from export.artifact.bundle import COMPARATOR, GRAPH, ArtifactFacts, write_artifact
from export.artifact.reranker_folder import write_reranker
from export.graphs.parity import Precision
from pipeline.pick.budget import choose, steady_artifacts
from pipeline.recipe.overridden import overridden, similarity_notes
from pipeline.recipe.recipe import Recipe, recipe_digest
from pipeline.report.card import CardFacts, model_card
from pipeline.report.reranker_card import RerankerFacts, reranker_card
from pipeline.report.rows import Mined, Report, Row
from pipeline.report.training_logs import LOG, retries_notes
from pipeline.run_dir import RunDir, Stage, fingerprint
from pipeline.stages.graphs import Graph
from pipeline.stages.measure import Measured
from pipeline.stages.measured_models import SERVED_RERANKER
from pipeline.stages.openvino_irs import Irs
from pipeline.stages.pruned_vocabulary import vocabulary_notes
from pipeline.stages.reranker import Reranked
from pipeline.stages.student import seeds_of_soup
from pipeline.stages.teacher import run_teacher
from pipeline.stages.vectors import VectorTargets
from pipeline.texts.load import Texts
from students.cuts.cut import cut
from students.pair_student import Student
from students.sharing.share_maps import stores_shared_maps
from teachers.cross_encoders.cross_encoder import CrossEncoder

VERSION = 4


def artifacts_stage(
    recipe: Recipe, base: Path, texts: Texts, vector_targets: VectorTargets | None, mined: Mined | None, student: Stage,
    graphs: list[Graph], left_out: list[str], irs: Irs, measured_done: Stage, measured: Measured, run_dir: RunDir,
    reranked: Reranked | None = None,
) -> tuple[Stage, Report]:  # fmt: skip
    """A folder a precision under `artifacts/`, and the report that their cards quote."""
    notes = [*measured.notes, *vocabulary_notes(recipe, base, student), *_soup_notes(student)]
    notes += overridden(recipe, base)
    notes += similarity_notes(recipe, base)
    notes += retries_notes(run_dir.root, recipe.model_dump(mode="json"))
    notes += [f"Left out, as it misses its gate: {one}." for one in left_out]
    report = _report(recipe, texts, vector_targets, mined, student, measured, notes)
    report = report.model_copy(update={"left_out": tuple(left_out)})
    inputs: dict[str, object] = {
        "graphs": [graph.fingerprint for graph in graphs],
        "measured": measured_done.fingerprint,
    }
    inputs |= {"reranker": reranked.stage.fingerprint} if reranked is not None else {}
    inputs |= {"recipe": recipe_digest(recipe), "decant": decant_version()}

    def write(folder: Path) -> None:
        encoder = Student.load(student.folder).encoder
        for graph in graphs:
            row = report.row(graph.name)
            comparator = graph.folder / COMPARATOR
            smaller = cut(encoder, graph.layers, graph.dim)
            told = _facts(recipe, base, smaller, graph.precision, irs.folder_of(graph.name) is not None)
            facts = ArtifactFacts(
                f"{recipe.name}-{graph.name}", graph.precision, model_card(report, graph.name, told),
                recipe_digest(recipe),
                {name: metrics.model_dump(mode="json") for name, metrics in row.metrics.items()}, graph.parity,
            )  # fmt: skip
            write_artifact(
                folder / graph.name, smaller, graph.folder / GRAPH, facts,
                comparator_graph=comparator if comparator.is_file() else None,
                openvino=irs.folder_of(graph.name),
            )  # fmt: skip
        if reranked is not None:
            _write_reranker(recipe, base, report, reranked, folder / "reranker")

    return run_dir.make("artifacts", fingerprint("artifacts", VERSION, inputs), write), report


def _write_reranker(recipe: Recipe, base: Path, report: Report, reranked: Reranked, folder: Path) -> None:
    source, row = reranked.stage.folder, report.row(SERVED_RERANKER)
    cross = run_teacher(recipe, source)
    write_reranker(
        folder, cross, source / GRAPH, name=f"{recipe.name}-reranker",
        card=reranker_card(report, row.name, _reranker_facts(recipe, base, cross)),
        recipe_sha256=recipe_digest(recipe), largest_difference=reranked.largest_difference,
        metrics={name: metrics.model_dump(mode="json") for name, metrics in row.metrics.items()},
    )  # fmt: skip


def decant_version() -> str:
    """The installed distribution's version."""
    try:
        return version("decant")
    except PackageNotFoundError:
        return "not installed"


def _soup_notes(student: Stage) -> list[str]:
    seeds = ", ".join(map(str, seeds_of_soup(student)))
    said = f"The student's weights are the mean of those of seeds {seeds}: on dev it is better than each."
    return [said] if seeds else []


def _report(
    recipe: Recipe, texts: Texts, vector_targets: VectorTargets | None, mined: Mined | None, student: Stage,
    measured: Measured,
    notes: list[str],
) -> Report:  # fmt: skip
    chosen, because = _fastest_steady(measured.rows)
    if recipe.budget is not None:
        choice = choose(measured.rows, recipe.budget)
        chosen, because = choice.selected, choice.because
        notes += [choice.note] if choice.note else []
    for what, dropped, where in (
        ("Rows dropped from the texts", texts.dropped_counts(), "; texts/texts.json names each"),
        ("Sentences left out", vector_targets.dropped if vector_targets else {}, ""),
    ):
        if dropped:
            said = ", ".join(f"{count:,} {kind}" for kind, count in dropped.items())
            notes.append(f"{what}: {said}{where}.")
    return Report(
        recipe=recipe.model_dump(mode="json"),
        environment=measured.environment,
        rows=measured.rows,
        selected=chosen.name if chosen else None,
        selected_because=because,
        notes=tuple(notes),
        training_curves=f"../student/{LOG}" if (student.folder / LOG).is_file() else None,
        regressions=measured.regressions,
        grid=measured.grid,
        mined=mined,
    )


def _teacher_model(recipe: Recipe) -> str:
    if recipe.teacher is not None:
        return recipe.teacher.model
    return recipe.embedding.teachers[0].model if recipe.embedding is not None else ""


def _fastest_steady(rows: Sequence[Row]) -> tuple[Row | None, str | None]:
    """Of the deepest artifacts, since a cut costs accuracy that only a budget can weigh."""
    steady = steady_artifacts(rows)
    whole = [row for row in steady if row.layers == max(one.layers or 0 for one in steady)]
    chosen = max(whole, key=lambda row: row.texts_per_second or 0.0, default=None)
    said = "the fastest artifact whose vectors do not depend on the batch"
    nested = len({row.layers for row in steady}) > 1
    return chosen, (f"{said}, of the whole depth; a budget can pick a cut" if nested else said) if chosen else None


def _reranker_facts(recipe: Recipe, base: Path, cross: CrossEncoder) -> RerankerFacts:
    return RerankerFacts(
        max_length=cross.max_length,
        outputs=cross.outputs,
        classes=recipe.texts.task.names if cross.outputs > 1 else (),
        prompt=cross.prompt,
        truncation_side=str(cross.tokenizer.truncation_side),
        pad_token=str(cross.tokenizer.pad_token),
        pad_id=int(cross.tokenizer.pad_token_id),
        base_model=_named(_teacher_model(recipe), base),
        decant_version=decant_version(),
    )


def _named(reference: str, base: Path) -> str | None:
    """A model reference where it is a hub's id."""
    local = (base / reference).exists() or reference.startswith("package:")
    return reference if "/" in reference and not local and HUB_ID.fullmatch(reference) else None


def _facts(recipe: Recipe, base: Path, encoder: SentenceEncoder, precision: Precision, openvino: bool) -> CardFacts:
    return CardFacts(
        max_length=encoder.max_length,
        pad_token=str(encoder.tokenizer.pad_token),
        pad_id=int(encoder.tokenizer.pad_token_id),
        base_model=_named(recipe.student.model, base),
        teacher=_named(_teacher_model(recipe), base),
        decant_version=decant_version(),
        sentence_transformers=encoder.pooling != "concat_top_mean" and not stores_shared_maps(encoder),
        comparator=recipe.student.form == "comparator",
        prompts=dict(encoder.prompts.texts),
        default_prompt=encoder.prompts.default,
        vectors=recipe.export.vectors,
        gpu=precision == "fp32",
        openvino=openvino,
    )
