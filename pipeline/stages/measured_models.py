"""What stage `measure` compares: teachers, baselines, the student and its exported graphs, each with its ways in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decant.models.embedder import Embedder, RoutedEncoder
from decant.models.encoder import SentenceEncoder
from decant.models.layout import Similarity
from decant.models.prompts import Prompts
from decant.models.quantized import precision_of
from decant.models.shared_config import is_shared, shared_attention
from decant.models.similarity import cosines, pair_vectors, similarities
from decant.progress import Advance
from export.artifact.bundle import COMPARATOR, GRAPH
from export.serve.open_encoder import served_files
from export.serve.rerank_session import OnnxReranker
from export.serve.session import OnnxComparator, OnnxEncoder
from export.serve.static_session import StaticSession
from pipeline.measure.baselines import SentenceTransformerBaseline, bag_of_words
from pipeline.measure.classification import one_score
from pipeline.measure.one_against_many import dot_product
from pipeline.measure.size import parameter_count, peak_memory_of, size_mib
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.recipe_prompts import pairs_for
from pipeline.recipe.sections import StaticStudent
from pipeline.report.row_names import BM25, PEERS_START, SHARED_START, START, WORDS
from pipeline.report.row_names import STUDENT as STUDENT
from pipeline.report.rows import Kind, Parity
from pipeline.run_dir import Finished
from pipeline.stages.dev_metric import on_own_scale
from pipeline.stages.graphs import Graph, learned_texts
from pipeline.stages.openvino_irs import Ir
from pipeline.stages.reranker import Reranked
from pipeline.stages.sharing import groups_of, said_groups
from pipeline.stages.stage import Made, Run
from pipeline.stages.student import Trained
from pipeline.stages.teacher import run_teacher
from pipeline.stages.vectors import VectorTargets, embedder_of
from pipeline.texts.bm25_search import STATED
from pipeline.texts.load import pair_texts
from students.cuts.cut import cut
from students.cuts.start import shared, shared_cross_encoder
from students.pair_student import Student
from students.sharing.sharing_settings import SharingSettings
from teachers.cross_encoders.cross_encoder import CrossEncoder, Pair
from teachers.cross_encoders.cross_folder import Activation

TEACHER, STUDENT_IN_PEER = "teacher", "student in sentence-transformers"
TEACHER_OF_VECTORS = "embedding teacher"
EMBEDDED = "student before the labelled pairs"
SHARED_TEACHER, TAUGHT_RERANKER = "teacher, maps shared, untrained", "re-ranker before the labels"
RERANKER, SERVED_RERANKER = "re-ranker", "re-ranker in onnxruntime"
RERANKED = 100  # passages of a query that a cross-encoder orders
OF_ITSELF = "agreement is with this model: its own is 1 by definition"
ENCODE_ONCE = """
import sys
from pathlib import Path
from export.serve.session import OnnxEncoder
OnnxEncoder(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]).encode([sys.argv[4]] * 32)
"""
ENCODE_BY_TABLE = """
import sys
from pathlib import Path
from export.serve.static_session import StaticSession
StaticSession(Path(sys.argv[1]), int(sys.argv[2])).encode([sys.argv[4]] * 32)
"""
Predict = Callable[[Sequence[Pair]], NDArray[np.float32]]
Encode = Callable[[Sequence[str]], NDArray[np.float32]]
Match = Callable[[NDArray[np.float32], NDArray[np.float32]], object]


@dataclass
class Candidate:
    """One row to be: how it predicts, and what is known of it without measuring."""

    name: str
    kind: Kind
    predict: Predict | None = None
    encode: Encode | None = None
    score: Predict | None = None
    vectors: Encode | None = None
    """As `encode`, of a row that is not timed."""
    encoder: Embedder | OnnxEncoder | None = None
    """What a suite is measured by: a model whose vectors are compared as its folder says."""
    match: Match = dot_product
    served: OnnxEncoder | StaticSession | None = None
    """The artifact itself, whose parts are timed apart."""
    facts: dict[str, object] = field(default_factory=dict)


class Together:
    """Several embedding teachers as one encoder, whose vectors are mixed as the student learns them."""

    def __init__(self, targets: VectorTargets) -> None:
        names = {name: text for one in targets.prompts for name, text in one.texts.items()}
        self.prompts, self.unit = Prompts(names), True
        self.similarity: Similarity = "cosine"
        self._way = cache(targets.encoder)  # each loads the teachers

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return int(self.encode([""]).shape[1])

    def encode(
        self, texts: Sequence[str], batch_size: int = 32, progress: Callable[[int], None] | None = None, *,
        prompt: str | None = None, unit: bool = True,
    ) -> NDArray[np.float32]:  # fmt: skip
        """Unit vectors, float32 [texts, dim]; arguments as of `SentenceEncoder.encode`."""
        vectors = self._way(prompt)(texts)
        if progress is not None:
            progress(len(texts))
        return vectors


def run_name(one: Trained) -> str:
    """What one of several trainings is called."""
    return f"alpha {one.alpha:g}, seed {one.seed}"


def candidates(run: Run, made: Made, threads: int) -> tuple[list[Candidate], list[str]]:
    """All that is measured, in the order of the report, and a note on each that could not be.

    A student that has learned vectors alone gets a row where its layers share maps, a re-ranker one for each stage of
    its training and one in onnxruntime.

    Args:
        threads: of the CPU.
    """
    recipe, texts, pair_targets, vector_targets = run.recipe, made.texts, made.pair_targets, made.vector_targets
    found = [_teacher(recipe, pair_targets.teacher)] if pair_targets is not None else []
    if vector_targets is not None:
        name = TEACHER if pair_targets is None else TEACHER_OF_VECTORS
        found.append(_embedding_teacher(recipe, vector_targets, name))
    has_cosine = recipe.texts.task.kind != "multiclass"
    source = run.model(recipe.student.model)
    if recipe.student.trained:
        found.append(_given(recipe, source))
    found += _start_models(run, made) if has_cosine else []
    if made.embedded is not None and recipe.student.sharing is not None and len(texts.train):
        found.append(_before_the_labels(recipe, made.embedded))
    notes = []
    named = {PEERS_START: source} if recipe.measure.peers and made.table is None else {}
    named |= {STUDENT_IN_PEER: made.student.folder} if recipe.measure.peers and made.table is not None else {}
    named |= {f"{_short(model)} in sentence-transformers": run.model(model) for model in recipe.measure.compare}
    for name, folder in named.items():
        if is_shared(folder):
            notes.append(f"{name} was not measured: that library knows no layers that share attention maps")
            continue
        try:
            found.append(_in_sentence_transformers(recipe, name, folder, has_cosine))
        except ImportError as error:
            notes.append(f"{name} was not measured: {error}")
    if recipe.reranker is not None and pair_targets is not None and made.reranked is not None:
        teacher = run_teacher(recipe, pair_targets.teacher.folder)
        untrained = shared_cross_encoder(teacher, recipe.reranker.sharing, pair_texts(texts), recipe.seed)
        found += _rerankers(recipe, teacher, untrained, made.reranked, threads)
    artifacts = len(made.graphs) + (len(made.irs.made) if made.irs is not None else 0)
    with run.watch("memory of each artifact", artifacts) as advance:
        exported = _exported(recipe, made, threads, advance)
    return found + _students(recipe, made.student) + exported, notes


def _given(recipe: Recipe, source: Path) -> Candidate:
    """The model that came trained, in torch: what its artifacts are held to."""
    encoder = SentenceEncoder.load(source, recipe.student.max_length, recipe.student.pooling)
    facts = _encoder_facts(encoder) | {"runtime": "torch", "note": "the model as it was given"}
    return Candidate(
        TEACHER, "teacher", predict=by_similarity(recipe, encoder), encode=encoder.encode, encoder=encoder, facts=facts
    )


def _short(model: str) -> str:
    """A model reference's last part; its last two where the last says nothing, as in package:NAME/model."""
    parts = model.rstrip("/").split("/")
    return "/".join(parts[-2:]) if parts[-1] in ("model", "student") else parts[-1]


def _in_sentence_transformers(recipe: Recipe, name: str, folder: Path, has_cosine: bool) -> Candidate:
    of_layers = recipe.student.max_length if not isinstance(recipe.student, StaticStudent) else None
    peer = SentenceTransformerBaseline(folder, max_length=of_layers)
    predict = by_similarity(recipe, peer) if has_cosine and recipe.student.pooling != "concat_top_mean" else None
    facts: dict[str, object] = {"precision": "fp32", "runtime": "torch"}
    facts |= {"trained_on_labels": False} if name == PEERS_START and not recipe.student.trained else {}
    facts |= {"trained_on_labels": recipe.saw_labels()} if name == STUDENT_IN_PEER else {}
    return Candidate(name, "baseline", predict=predict, encode=peer.encode, encoder=peer, facts=facts)


def _teacher(recipe: Recipe, teacher: Finished) -> Candidate:
    cross = run_teacher(recipe, teacher.folder)
    weights, scores = size_mib(teacher.folder / "model.safetensors"), _scores(recipe, cross, cross.activation)
    note = f"it re-ranks the first {RERANKED} passages that BM25 finds"
    return Candidate(
        TEACHER, "teacher", predict=scores, score=scores,
        facts={**({"note": note} if recipe.texts.task.kind == "ranking" else {}),
               "layers": int(cross.model.config.num_hidden_layers), "precision": precision_of(cross.model),
               "runtime": "torch", "path": "teacher", "parameters": parameter_count(cross), "size_mib": weights,
               "trained_on_labels": True},
    )  # fmt: skip


def _rerankers(
    recipe: Recipe, teacher: CrossEncoder, untrained: CrossEncoder, reranked: Reranked, threads: int
) -> list[Candidate]:
    """The teacher with shared maps: untrained, after each stage of its training, and in onnxruntime."""
    folder = reranked.stage.folder
    taught, trained = (run_teacher(recipe, one) for one in (reranked.before_labels, folder))
    facts: dict[str, object] = {
        "layers": int(trained.model.config.num_hidden_layers), "precision": "fp32", "runtime": "torch",
        "sharing": said_groups(groups_of(folder)), "parameters": parameter_count(trained), "trained_on_labels": True,
    }  # fmt: skip
    weights = {"path": "reranker", "size_mib": size_mib(folder / "model.safetensors")}
    served = {"path": "artifacts/reranker", "size_mib": size_mib(folder / "onnx"), "runtime": "onnxruntime"}
    served |= {"note": f"no score is more than {reranked.largest_difference:.1e} from torch's"}
    ways = untrained, taught, trained, OnnxReranker(folder, threads)
    before, early, late, in_onnxruntime = (_scores(recipe, one, teacher.activation) for one in ways)
    return [
        Candidate(SHARED_TEACHER, "baseline", predict=before, facts=facts),
        Candidate(TAUGHT_RERANKER, "baseline", predict=early, facts=facts),
        Candidate(RERANKER, "student", predict=late, score=late, facts=facts | weights),
        Candidate(SERVED_RERANKER, "student", predict=in_onnxruntime, score=in_onnxruntime, facts=facts | served),
    ]


def _embedding_teacher(recipe: Recipe, vector_targets: VectorTargets, name: str) -> Candidate:
    settings = recipe.embedding
    tuned = settings is not None and any(teacher.tune for teacher in settings.teachers)
    facts: dict[str, object] = {"precision": "fp32", "runtime": "torch", "trained_on_labels": tuned}
    facts |= {"note": OF_ITSELF} if recipe.without_labels else {}
    if len(vector_targets.teachers) == 1:
        one = embedder_of(vector_targets.teachers[0][0], vector_targets.prompts[0])
        facts |= _embedder_facts(one)
        predict = by_similarity(recipe, one)
        return Candidate(name, "teacher", predict=predict, encode=one.encode, encoder=one, facts=facts)
    columns, encode = recipe.texts.columns, vector_targets.encoder()
    sides = vector_targets.encoder(columns.first_prompt), vector_targets.encoder(columns.second_prompt)
    return Candidate(
        name, "teacher", predict=lambda pairs: cosines(*pair_vectors(pairs, *sides)), encode=encode,
        encoder=Together(vector_targets), facts=facts,
    )  # fmt: skip


def _start_models(run: Run, made: Made) -> list[Candidate]:
    recipe, found = run.recipe, []
    if not recipe.student.trained:
        folder = made.table.folder if made.table is not None else run.model(recipe.student.model)
        start = SentenceEncoder.load(folder, recipe.student.max_length)
        facts = _encoder_facts(start) | {"runtime": "torch", "trained_on_labels": False}
        predict = by_similarity(recipe, start)
        found.append(Candidate(START, "baseline", predict=predict, vectors=start.encode, encoder=start, facts=facts))
        if recipe.student.sharing is not None:
            learned = learned_texts(recipe, made, start)
            found.append(_shared_start(recipe, recipe.student.sharing, start, learned, made.student))
    if recipe.texts.task.kind == "ranking":
        facts = {"runtime": "bm25s", "trained_on_labels": False, "note": STATED}
        return [*found, Candidate(BM25, "baseline", facts=facts)]
    words = {"runtime": "scikit-learn", "trained_on_labels": False}
    counted = partial(bag_of_words, train_texts=[text for pair in made.texts.train.pairs for text in pair])
    return [*found, Candidate(WORDS, "baseline", predict=counted, facts=words)]


def _shared_start(
    recipe: Recipe, settings: SharingSettings, start: SentenceEncoder, learned: Sequence[str], student: Finished
) -> Candidate:
    """The start model with the student's layers and groups, before any training: what sharing alone costs."""
    kept = cut(start, recipe.student.layers) if recipe.student.layers else start
    as_chosen = settings.model_copy(update={"groups": groups_of(student.folder)})
    untrained = shared(kept, as_chosen, learned, recipe.seed)
    facts = _encoder_facts(untrained) | {"runtime": "torch", "trained_on_labels": False}
    cosine = untrained.for_cosine()
    return Candidate(
        SHARED_START, "baseline", predict=by_similarity(recipe, cosine), vectors=cosine.encode, encoder=cosine,
        facts=facts,
    )  # fmt: skip


def _before_the_labels(recipe: Recipe, embedded: Finished) -> Candidate:
    """The student after the first of its two trainings."""
    encoder = Student.load(embedded.folder).encoder
    facts = _encoder_facts(encoder) | {"runtime": "torch", "path": "embed"}
    tuned = recipe.embedding is not None and any(teacher.tune for teacher in recipe.embedding.teachers)
    facts |= {"trained_on_labels": tuned}
    return Candidate(EMBEDDED, "baseline", predict=by_similarity(recipe, encoder), encoder=encoder, facts=facts)


def _students(recipe: Recipe, stage: Finished) -> list[Candidate]:
    student = Student.load(stage.folder)
    facts = _encoder_facts(student.encoder) | {
        "runtime": "torch", "path": "student", "form": recipe.student.form,
        "parameters": parameter_count(student) - parameter_count(student.encoder.exit_layers),
        "size_mib": size_mib(stage.folder / "model.safetensors"), "trained_on_labels": recipe.saw_labels(),
    }  # fmt: skip
    found = [in_torch(recipe, STUDENT, student, facts)]
    if student.comparator is not None and recipe.texts.task.kind != "multiclass":
        note = "the same vectors, compared by cosine"
        facts = facts | {"form": "cosine", "note": note}
        by_cosine = by_similarity(recipe, student.encoder)
        found.append(Candidate("student by cosine", "student", predict=by_cosine, facts=facts))
    return found


def in_torch(recipe: Recipe, name: str, student: Student, facts: dict[str, object]) -> Candidate:
    """A row of a student as torch computes it."""
    match: Match = dot_product
    if student.comparator is not None:
        match = lambda query, many: student.compare(np.repeat(query, len(many), axis=0), many)  # noqa: E731
    predict = behind_prompts(recipe, student.encoder.prompts, student.predict)
    return Candidate(
        name, "student", predict=predict, encode=student.encoder.encode, encoder=student.encoder, match=match,
        facts=facts,
    )  # fmt: skip


def _exported(recipe: Recipe, made: Made, threads: int, advance: Advance) -> list[Candidate]:
    """The artifacts in onnxruntime, then those that have an IR in OpenVINO."""
    found, student = [], made.student
    for graph in made.graphs:
        advance(0, graph.name)
        facts: dict[str, object] = {
            "runtime": "onnxruntime" if graph.layers else "numpy",
            "path": f"artifacts/{graph.name}",
            "size_mib": size_mib(served_files(graph.folder)),
            "sharing": said_groups(groups_of(student.folder, graph.layers)),
        }
        if graph.quantize_aware:
            before, after = graph.quantize_aware["cosine_before"], graph.quantize_aware["cosine_after"]
            facts["note"] = f"fine-tuned for its rounding: mean cosine {before:.4f} to fp32 before, {after:.4f} after"
        found.append(_served(recipe, graph, graph.folder, GRAPH, graph.folder / COMPARATOR, threads, facts))
        advance(1)
    comparators = {graph.name: graph.folder / COMPARATOR for graph in made.graphs}
    for ir in made.irs.made if made.irs is not None else ():
        xml = ir.folder / ir.file
        advance(0, ir.name)
        facts = {
            "runtime": "openvino", "path": f"artifacts/{ir.artifact}",
            "size_mib": size_mib(xml) + size_mib(xml.with_suffix(".bin")),
            "sharing": said_groups(groups_of(student.folder, ir.layers)),
        }  # fmt: skip
        if ir.mean_cosine is not None:
            facts["note"] = (
                f"NNCF's accuracy control: mean cosine {ir.mean_cosine:.4f} to fp32 on the calibration texts"
            )
        found.append(_served(recipe, ir, ir.folder, ir.file, comparators[ir.artifact], threads, facts))
        advance(1)
    return found


def _served(
    recipe: Recipe, exported: Graph | Ir, folder: Path, file: str, comparator_graph: Path, threads: int,
    own: dict[str, object],
) -> Candidate:  # fmt: skip
    encoder = OnnxEncoder(folder, threads, file) if exported.layers else StaticSession(folder, threads)
    predict = by_similarity(recipe, encoder)
    match: Match = dot_product
    if comparator_graph.is_file():
        comparator = OnnxComparator(comparator_graph, threads)
        predict = behind_prompts(recipe, encoder.prompts, _by_comparator(encoder.encode, comparator))
        match = _one_to_many(comparator)
    once = ENCODE_ONCE if exported.layers else ENCODE_BY_TABLE
    peak = peak_memory_of(once, [str(folder), str(threads), file, "How do I reset my password?"])
    facts: dict[str, object] = {
        "layers": exported.layers, "dim": exported.dim, "precision": exported.precision,
        "parameters": exported.parameters, "parity": Parity(**exported.parity), "form": recipe.student.form,
        "peak_memory_mib": peak, "trained_on_labels": recipe.saw_labels(),
    }  # fmt: skip
    return Candidate(
        exported.name, "artifact", predict=predict, encode=encoder.encode, encoder=encoder, match=match,
        served=encoder, facts=facts | own,
    )  # fmt: skip


def _encoder_facts(encoder: SentenceEncoder) -> dict[str, object]:
    precision = precision_of(encoder.backbone)
    return {
        "layers": encoder.layers,
        "dim": encoder.dim,
        "precision": precision,
        "sharing": said_groups(shared_attention(encoder.backbone.config).groups),
        "parameters": parameter_count(encoder),
    }


def _scores(recipe: Recipe, cross: CrossEncoder | OnnxReranker, activation: Activation) -> Predict:
    return lambda pairs: on_own_scale(one_score(cross.score(pairs)), recipe.texts.task.kind, activation)


def _embedder_facts(encoder: Embedder) -> dict[str, object]:
    """Of a model without layers, or of several roads, its vectors' width alone."""
    return _encoder_facts(encoder) if isinstance(encoder, SentenceEncoder) else {"dim": encoder.dim}


def by_similarity(recipe: Recipe, encoder: Embedder) -> Predict:
    """Scores of pairs as the model's folder says that its vectors are compared, each side behind its own prompt."""
    columns = recipe.texts.columns
    one_road = not isinstance(encoder, RoutedEncoder)
    names = (None, None) if one_road and not encoder.prompts.any else (columns.first_prompt, columns.second_prompt)
    unit = encoder.similarity == "cosine"
    first, second = (partial(encoder.encode, prompt=name, unit=unit) for name in names)

    def predict(pairs: Sequence[Pair]) -> NDArray[np.float32]:
        sides = pair_vectors(pairs, first, second if names[0] != names[1] else None)
        return cosines(*sides) if unit else similarities(*sides, encoder.similarity)

    return predict


def behind_prompts(recipe: Recipe, prompts: Prompts, predict: Predict) -> Predict:
    """A way to score pairs, given them as a model of these prompts reads them."""
    return lambda pairs: predict(pairs_for(recipe, prompts, pairs))


def _by_comparator(encode: Encode, comparator: OnnxComparator) -> Predict:
    def predict(pairs: Sequence[Pair]) -> NDArray[np.float32]:
        logits = comparator.logits(*pair_vectors(pairs, encode))
        return logits[:, 0] if logits.shape[1] == 1 else logits

    return predict


def _one_to_many(comparator: OnnxComparator) -> Match:
    return lambda query, many: comparator.logits(np.repeat(query, len(many), axis=0), many)
