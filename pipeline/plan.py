"""What a run will do: each stage, whether it is done already, and about how long it takes here."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from decant.models.backbone import model_size
from decant.models.embedder import load_embedder
from decant.models.encoder import SentenceEncoder
from decant.models.reference import resolve_model
from decant.table import Table, line, text_columns
from decant.training.optimizer import FitSettings, training_precision
from pipeline.preflight.preflight import preflight_errors
from pipeline.recipe.recipe import EmbeddingSettings, FineTuneTeacher, Recipe, RecipeError
from pipeline.run_dir import STAGES, RunDir
from pipeline.screen.console import duration
from pipeline.stages.texts import texts_fingerprint
from pipeline.stages.vectors import pair_texts
from pipeline.texts.load import Texts, load_texts, read_texts
from pipeline.texts.sentences import load_sentences
from students.cuts.start import shrunk_shape

SHARE_OF_PEAK = 0.5  # what training reaches of a plain matrix product's speed, measured with MiniLM
SAMPLED_TEXTS = 400
OTHER_SECONDS = {"texts": 3.0, "mine": 60.0, "checkpoints": 10.0, "artifacts": 5.0, "report": 5.0}
GRAPH_SECONDS, MEASURE_SECONDS = 20.0, 20.0  # an artifact
ENGINE_SECONDS = 4.0
IR_SECONDS = {"fp32": 20.0, "int8": 60.0}


@dataclass(frozen=True)
class Planned:
    """One stage: `state` is `done` (made from these inputs, or seems so), or `to do`."""

    stage: str
    state: str
    seconds: float
    what: str

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def planned_stages(recipe: Recipe, base: Path, run_dir: RunDir) -> list[Planned]:
    """Every stage in order; seconds are estimated from the model's size, the texts, and a product timed here.

    A stage counts as done when it stands in the run's folder and the texts are unchanged; `decant run` compares
    every input and may find more to do.

    Raises:
        RecipeError: the recipe names what is not there.
    """
    errors = preflight_errors(recipe, base)
    if errors:
        raise RecipeError(errors)
    texts_done = run_dir.finished("texts", texts_fingerprint(recipe, base)) is not None
    texts = read_texts(run_dir.folder("texts")) if texts_done else load_texts(recipe.texts, base)
    seconds = OTHER_SECONDS | _training_seconds(recipe, base, texts)
    artifacts = len(recipe.export.precisions) * _cuts(recipe, base)
    seconds |= {"graphs": GRAPH_SECONDS * artifacts, "measure": MEASURE_SECONDS * (1 + artifacts)}
    seconds |= {"openvino": _cuts(recipe, base) * sum(IR_SECONDS[kind] for kind in recipe.export.openvino)}
    seconds |= {"engines": ENGINE_SECONDS * len(recipe.export.engines) * _cuts(recipe, base)}
    if recipe.embedding is not None:
        seconds |= _embedding_seconds(recipe, recipe.embedding, base, texts)
    said = {"texts": f"{len(texts.train):,} train, {len(texts.dev):,} dev, {len(texts.test):,} test pairs"}
    if recipe.teacher is not None:
        said |= {"teacher": recipe.teacher.model, "targets": f"{len(texts.train) + len(texts.unlabelled):,} pairs"}
    if recipe.embedding is not None:
        said |= {"vectors": ", ".join(teacher.model for teacher in recipe.embedding.teachers)}
        said |= {"embed": f"{recipe.student.model}, {recipe.embedding.epochs} epochs"}
    trained = f"{_students(recipe)} of {recipe.student.model}" if len(texts.train) else "as embedded"
    trained = f"{recipe.student.model} as it is" if recipe.student.trained else trained
    said |= {"student": trained, "graphs": f"{artifacts} artifacts, {', '.join(recipe.export.precisions)}"}
    said |= {"reranker": f"{recipe.teacher.model}, maps shared"} if recipe.teacher is not None else {}
    said |= {"openvino": ", ".join(recipe.export.openvino)}
    said |= {"engines": ", ".join(recipe.export.engines)}
    said |= {"checkpoints": ", ".join(recipe.export.torch)}
    planned, fresh = [], texts_done
    for stage in stages_of(recipe):
        fresh = fresh and (run_dir.folder(stage) / "stage.json").is_file()
        planned.append(
            Planned(stage, "done" if fresh else "to do", 0.0 if fresh else seconds[stage], said.get(stage, ""))
        )
    return planned


def stages_of(recipe: Recipe) -> list[str]:
    """The stages that this recipe has, in order."""
    absent = {"teacher", "targets"} if recipe.teacher is None else set()
    absent |= {"reranker"} if recipe.reranker is None else set()
    absent |= {"vectors", "mine", "embed"} if recipe.embedding is None else set()
    absent |= {"openvino"} if not recipe.export.openvino else set()
    absent |= {"engines"} if not recipe.export.engines else set()
    absent |= {"mine"} if recipe.embedding is not None and recipe.embedding.mine is None else set()
    absent |= {"checkpoints"} if not recipe.export.torch else set()
    return [stage for stage in STAGES if stage not in absent]


def plan_table(stages: list[Planned]) -> Table:
    """The stages as a table with a total."""
    lines = [
        line(one.stage, one.state, duration(one.seconds) if one.state == "to do" else "", one.what) for one in stages
    ]
    total = line("", "", duration(sum(one.seconds for one in stages)), "in all")
    return Table(text_columns("stage", "state", "about", "what"), (*lines, total))


def _embedding_seconds(recipe: Recipe, settings: EmbeddingSettings, base: Path, texts: Texts) -> dict[str, float]:
    """Labelling by each teacher, its fine-tuning, and the passes over the texts, augmented ones included.

    A teacher whose token states are followed runs in every pass.
    """
    given = load_sentences(settings.sentences, base, recipe.texts.problems).texts if settings.sentences else []
    every = [*given, *pair_texts(texts)]
    more = settings.augment
    grown = len(every) * (1 + (more.spans + more.dropped + more.joins if more is not None else 0))
    label, tuning = 0.0, 0.0
    for teacher in settings.teachers:
        encoder = load_embedder(resolve_model(teacher.model, base))
        if not isinstance(encoder, SentenceEncoder):
            continue  # a table of token vectors takes no time worth a plan; of several roads one alone may take some
        step = 6 * _weights(encoder) / _speed(settings)
        tokens = _mean_tokens(every, encoder)
        label += step / 3 * tokens * grown
        tuning += step * tokens * 2 * len(texts.train) * teacher.tune.epochs if teacher.tune is not None else 0
    student = _student(recipe, base)
    passes = 6 * _weights(student) / _speed(settings) * _mean_tokens(every, student) * grown * settings.epochs
    beside = label * settings.epochs if settings.states is not None else 0.0
    return {"vectors": label + tuning + 10, "embed": passes + beside + 10}


def _student(recipe: Recipe, base: Path) -> SentenceEncoder:
    """An encoder of the student's shape."""
    start = SentenceEncoder.load(resolve_model(recipe.student.model, base))
    return shrunk_shape(start, recipe.student.layers, recipe.student.ffn_width, recipe.student.sharing)


def _weights(encoder: SentenceEncoder) -> int:
    """Weights that a token is multiplied with: all but the tables."""
    return sum(weight.numel() for name, weight in encoder.named_parameters() if "embeddings" not in name)


def _training_seconds(recipe: Recipe, base: Path, texts: Texts) -> dict[str, float]:
    if recipe.student.trained:
        return {"student": OTHER_SECONDS["artifacts"]}
    encoder = SentenceEncoder.load(resolve_model(recipe.student.model, base))
    tokens = 2 * _mean_tokens(pair_texts(texts), encoder)
    train, extra = tokens * len(texts.train), tokens * len(texts.unlabelled)
    teacher = recipe.teacher
    epochs = teacher.epochs if isinstance(teacher, FineTuneTeacher) else 0
    again = recipe.reranker
    scores, labels = (again.pseudo.epochs, again.epochs) if again is not None else (0, 0)
    a_weight = 6 / _speed(recipe.student)  # forward and backward: 6 operations a weight and token
    step, own_step = a_weight * _weights(encoder), a_weight * _weights(_student(recipe, base))
    return {
        "teacher": step * train * epochs + 10,
        "targets": step / 3 * (train + extra),
        "reranker": step * (4 / 3 * (train + extra) * scores + train * labels) + GRAPH_SECONDS,
        "student": own_step * (train + extra) * recipe.student.epochs * _students(recipe) + 10,
    }


def _cuts(recipe: Recipe, base: Path) -> int:
    if recipe.export.cuts or recipe.student.nesting is None:
        return max(1, len(recipe.export.cuts))
    return len(recipe.student.layers) or model_size(resolve_model(recipe.student.model, base))[0]


def _students(recipe: Recipe) -> int:
    return len(recipe.student.seeds) * (1 + len(recipe.student.compare_alphas))


def _mean_tokens(texts: list[str], encoder: SentenceEncoder) -> float:
    sample = texts[:: max(1, len(texts) // SAMPLED_TEXTS)]
    return sum(len(ids) for ids in encoder.tokenize(sample)) / max(1, len(sample))


def _speed(settings: FitSettings) -> float:
    """Operations a second that training is likely to reach, from a product of two matrices timed now."""
    kind = torch.bfloat16 if training_precision(settings) == "bf16-mixed" else torch.float32
    left, right = torch.ones(1024, 384, dtype=kind), torch.ones(384, 1536, dtype=kind)
    torch.mm(left, right)
    started = time.perf_counter()
    for _ in range(20):
        torch.mm(left, right)
    return SHARE_OF_PEAK * 20 * 2 * 1024 * 384 * 1536 / (time.perf_counter() - started)
