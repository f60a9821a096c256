"""Stage `artifacts`: the folders to ship, each with its model card and a manifest of sha256 digests."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from decant.models.encoder import SentenceEncoder
from decant.models.reference import HUB_ID
from export.artifact.bundle import COMPARATOR, GRAPH, ArtifactFacts, write_artifact
from export.artifact.reranker_folder import write_reranker
from export.certify.certificate import certificate_of, write_certificate
from export.graphs.parity import Precision
from pipeline.recipe.overridden import overridden, similarity_notes
from pipeline.recipe.recipe import Recipe, recipe_digest
from pipeline.report.card import CardFacts, model_card
from pipeline.report.reranker_card import RerankerFacts, reranker_card
from pipeline.report.rows import Report
from pipeline.report.training_logs import LOG, retries_notes
from pipeline.run_dir import Finished
from pipeline.stages.measured_models import SERVED_RERANKER
from pipeline.stages.openvino_irs import Irs
from pipeline.stages.reranker import Reranked
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.stages.student import seeds_of_soup
from pipeline.stages.teacher import run_teacher
from students.cuts.cut import cut
from students.cuts.vocabulary import vocabulary_size
from students.pair_student import Student
from students.sharing.share_maps import stores_shared_maps
from teachers.cross_encoders.cross_encoder import CrossEncoder

VERSION = 6


def make_artifacts(run: Run, made: Made) -> Done:
    """A folder a precision under `artifacts/`.

    What only judges them decides nothing of them. Where they are made again with the same files, what other runtimes
    made of those stays in their manifests and cards.
    """
    recipe, base, graphs, reranked = run.recipe, run.base, made.graphs, made.reranked
    report = made.report = _measured_report(run, made)
    irs, earlier = made.irs or Irs(), run.folder.folder("artifacts")
    inputs = {
        "graphs": [graph.fingerprint for graph in graphs], "measured": made.measured_done.fingerprint,
        "reranker": reranked.stage.fingerprint if reranked is not None else None,
        "recipe": recipe_digest(recipe), "decant": decant_version(), "notes": report.notes,
    }  # fmt: skip

    def write(folder: Path) -> None:
        encoder = Student.load(made.student.folder).encoder
        for graph in graphs:
            row = report.row(graph.name)
            comparator = graph.folder / COMPARATOR
            smaller = cut(encoder, graph.layers, graph.dim)
            told = _facts(recipe, base, smaller, graph.precision, irs.folder_of(graph.name) is not None)
            facts = ArtifactFacts(
                f"{recipe.name}-{graph.name}", graph.precision, model_card(report, graph.name, told),
                recipe_digest(recipe),
                {name: metrics.model_dump(mode="json") for name, metrics in row.metrics.items()}, graph.parity,
                recipe.texts.task.names,
            )  # fmt: skip
            model = smaller if smaller.static is None else smaller.table()
            manifest = write_artifact(
                folder / graph.name, model, graph.folder / GRAPH, facts,
                comparator_graph=comparator if comparator.is_file() else None,
                openvino=irs.folder_of(graph.name),
            )  # fmt: skip
            records = certificate_of(earlier / graph.name, manifest)
            if records:
                write_certificate(folder / graph.name, manifest, records)
        if reranked is not None:
            _write_reranker(recipe, base, report, reranked, folder / "reranker")

    made.artifacts = run.make("artifacts", VERSION, inputs, write)
    return Done(made.artifacts, f"{len(graphs) + (reranked is not None)} folders")


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


def _notes(run: Run, made: Made) -> list[str]:
    """What the reader is told of the figures, a sentence each."""
    recipe, base = run.recipe, run.base
    notes = [*made.measured.notes, *vocabulary_notes(run, made.student), *_soup_notes(made.student)]
    notes += [*overridden(recipe, base), *similarity_notes(recipe, base)]
    notes += retries_notes(run.folder.root, recipe.model_dump(mode="json"))
    notes += [f"Left out, as it misses its gate: {one}." for one in made.left_out]
    for what, dropped, where in (
        ("Rows dropped from the texts", made.texts.dropped_counts(), "; texts/texts.json names each"),
        ("Sentences left out", made.vector_targets.dropped if made.vector_targets else {}, ""),
    ):
        if dropped:
            said = ", ".join(f"{count:,} {kind}" for kind, count in dropped.items())
            notes.append(f"{what}: {said}{where}.")
    return notes


def vocabulary_notes(run: Run, student: Finished) -> list[str]:
    """How many tokens the student has, where they were pruned."""
    settings = run.recipe.student
    if settings.vocabulary is None:
        return []
    kept, whole = vocabulary_size(student.folder), vocabulary_size(run.model(settings.model))
    return [
        f"Vocabulary: {kept:,} of the {whole:,} tokens of the model that the student started from, those that the "
        "training's texts need; other words are read as more and shorter pieces."
    ]


def _soup_notes(student: Finished) -> list[str]:
    seeds = ", ".join(map(str, seeds_of_soup(student)))
    said = f"The student's weights are the mean of those of seeds {seeds}: on dev it is better than each."
    return [said] if seeds else []


def _measured_report(run: Run, made: Made) -> Report:
    """What was measured, as cards quote it: it names no choice, so that a card does not depend on what is asked."""
    measured = made.measured
    return Report(
        recipe=run.recipe.model_dump(mode="json"),
        environment=measured.environment,
        rows=measured.rows,
        notes=tuple(_notes(run, made)),
        training_curves=f"../student/{LOG}" if (made.student.folder / LOG).is_file() else None,
        regressions=measured.regressions,
        grid=measured.grid,
        mined=made.mined,
        left_out=tuple(made.left_out),
    )


def _teacher_model(recipe: Recipe) -> str:
    if recipe.teacher is not None:
        return recipe.teacher.model
    return recipe.embedding.teachers[0].model if recipe.embedding is not None else ""


def _reranker_facts(recipe: Recipe, base: Path, cross: CrossEncoder) -> RerankerFacts:
    return RerankerFacts(
        max_length=cross.max_length,
        outputs=cross.outputs,
        classes=recipe.texts.task.names if cross.outputs > 1 else (),
        prompt=cross.prompt,
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
        sentence_transformers=encoder.pooling != "concat_top_mean"
        and not stores_shared_maps(encoder)
        and not (encoder.static is not None and precision == "int4"),
        static=encoder.static is not None,
        comparator=recipe.student.form == "comparator",
        prompts=dict(encoder.prompts.texts),
        default_prompt=encoder.prompts.default,
        vectors=recipe.export.vectors,
        gpu=precision == "fp32",
        openvino=openvino,
    )


ARTIFACTS = Stage(
    "artifacts", VERSION, make_artifacts, takes_over=True,
    reads=("texts", "vectors", "mine", "student", "reranker", "graphs", "openvino", "measure"),
)  # fmt: skip
