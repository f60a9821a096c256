"""Stage `vectors`: the texts that an embedding teacher explains, and its vectors of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from export.encode_texts import fast_encode
from pipeline.recipe import EmbeddingSettings, EmbeddingTeacher, Recipe
from pipeline.run_dir import RunDir, Stage, fingerprint
from pipeline.stages.metric import dev_metric
from pipeline.texts.augment import augment
from pipeline.texts.load import Texts
from pipeline.texts.sentences import load_sentences
from pipeline.texts.source import source_digest
from students.tune import tune
from teachers.encoder import SentenceEncoder
from teachers.errors import InputError
from teachers.fit import training_precision
from teachers.progress import Watch
from teachers.reference import model_digest, resolve_model
from teachers.targets import link_shards
from teachers.vectors import MixedVectors, Vectors, teacher_vectors

VERSION = 1
SHARDS = "shards"


@dataclass(frozen=True)
class Lesson:
    """What a student learns from embedding teachers.

    Args:
        texts: that it trains on, the augmented ones last.
        given: how many of them were given.
        held_back: that it is judged by on the way.
        teachers: folders of the teachers, and the weight of each.
    """

    stage: Stage
    texts: list[str]
    given: int
    held_back: list[str]
    teachers: tuple[tuple[Path, float], ...]

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """The teachers' vectors of texts that the stage has seen, in this order."""
        stores = []
        for folder, _ in self.teachers:
            shards = self.stage.folder / SHARDS / model_digest(folder)[:16]
            stores.append(teacher_vectors(texts, _unexpected, shards, SentenceEncoder.load(folder).dim))
        return MixedVectors(stores, [weight for _, weight in self.teachers])

    def encoder(self) -> Callable[[Sequence[str]], NDArray[np.float32]]:
        """A way to the teachers' vectors of any texts, float32 [texts, dim], mixed as `vectors` are."""
        weights = np.array([weight for _, weight in self.teachers])
        encoders = [SentenceEncoder.load(folder) for folder, _ in self.teachers]
        scales = np.sqrt(weights / weights.sum()).astype(np.float32)

        def encode(texts: Sequence[str]) -> NDArray[np.float32]:
            return np.concatenate([one.encode(texts) * scale for one, scale in zip(encoders, scales, strict=True)], 1)

        return encode


def vectors_stage(
    recipe: Recipe, settings: EmbeddingSettings, base: Path, texts: Texts, texts_done: Stage, run_dir: RunDir,
    watch: Watch,
) -> Lesson:  # fmt: skip
    """The embedding teachers (fine-tuned where the recipe says so), the texts, and the vectors of those and the pairs.

    Vectors are found by content, so more texts cost only what is new.
    """
    teachers = tuple(
        (_teacher(recipe, number, one, base, texts, texts_done, run_dir, watch), one.weight)
        for number, one in enumerate(settings.teachers)
    )
    inputs: dict[str, object] = {
        "teachers": [model_digest(folder) for folder, _ in teachers], "texts": texts_done.fingerprint,
        "sources": [source_digest(source, base) for source in settings.sentences], "seed": recipe.seed,
        "settings": settings.model_dump(mode="json", include={"sentences", "augment", "held_back"}),
    }  # fmt: skip
    finished = run_dir.folder("vectors")

    def write(folder: Path) -> None:
        given, more, held_back = _sentences(recipe, settings, base, texts)
        taught = given + more
        if len(taught) < settings.batch_size:
            raise InputError(
                f"embedding: {len(taught)} texts are fewer than a batch of {settings.batch_size}; give more sentences, "
                "or lower embedding.batch_size"
            )
        for name, part in {"given": given, "augmented": more, "held_back": held_back}.items():
            pq.write_table(pa.table({"text": pa.array(part, pa.string())}), folder / f"{name}.parquet")
        every = list(dict.fromkeys([*taught, *held_back, *pair_texts(texts)]))
        for source, _ in teachers:
            name = model_digest(source)[:16]
            link_shards(finished / SHARDS / name, folder / SHARDS / name)
            encoder = SentenceEncoder.load(source)
            encode = fast_encode(encoder, len(every), folder)
            teacher_vectors(every, encode, folder / SHARDS / name, encoder.dim, watch=watch)

    stage = run_dir.make("vectors", fingerprint("vectors", VERSION, inputs), write)
    given, more, held_back = (_read(stage.folder / f"{name}.parquet") for name in ("given", "augmented", "held_back"))
    return Lesson(stage, given + more, len(given), held_back, teachers)


def pair_texts(texts: Texts) -> list[str]:
    """Distinct texts of the training pairs, in the order of their first standing."""
    return list(dict.fromkeys(text for pair in texts.train.pairs + texts.unlabelled.pairs for text in pair))


def _teacher(
    recipe: Recipe, number: int, settings: EmbeddingTeacher, base: Path, texts: Texts, texts_done: Stage,
    run_dir: RunDir, watch: Watch,
) -> Path:  # fmt: skip
    source = resolve_model(settings.model, base)
    if settings.tune is None:
        return source
    how, kind = settings.tune, recipe.texts.task.kind
    inputs = {
        "settings": how.model_dump(mode="json"), "model": model_digest(source), "texts": texts_done.fingerprint,
        "seed": recipe.seed, "metric": recipe.measure.metric, "precision": training_precision(how),
    }  # fmt: skip

    def write(folder: Path) -> None:
        metric = dev_metric(kind, texts.dev.labels, recipe.measure.metric)
        tune(
            source, texts.train.pairs, texts.train.labels, kind, texts.dev.pairs, metric, folder / "training", how,
            seed=recipe.seed, watch=watch,
        ).save(folder)  # fmt: skip
        (folder / "training" / "best.safetensors").unlink(missing_ok=True)

    return run_dir.make(f"embedding/teacher{number}", fingerprint("embedding", VERSION, inputs), write).folder


def _sentences(
    recipe: Recipe, settings: EmbeddingSettings, base: Path, texts: Texts
) -> tuple[list[str], list[str], list[str]]:
    """The texts to train on, those made of them, and those that are held back; none of them stands in dev or test."""
    held_out = [text for split in (texts.dev, texts.test) for pair in split.pairs for text in pair]
    given = load_sentences(settings.sentences, base, recipe.texts.problems, held_out).texts
    every = list(dict.fromkeys([*given, *_without(pair_texts(texts), held_out)]))
    order = np.random.default_rng(recipe.seed).permutation(len(every))
    held_back = {every[row] for row in order[: min(settings.held_back, len(every) // 10)]}
    taught = [text for text in every if text not in held_back]
    more = augment(taught, settings.augment, recipe.seed, [*held_out, *held_back]) if settings.augment else []
    return taught, more, sorted(held_back)


def _without(texts: list[str], held_out: list[str]) -> list[str]:
    out = set(held_out)
    return [text for text in texts if text not in out]


def _read(path: Path) -> list[str]:
    return list(pq.read_table(path).column("text").to_pylist())


def _unexpected(texts: Sequence[str], progress: object) -> NDArray[np.float32]:
    raise RuntimeError(f"{len(texts)} texts have no vector in a finished folder")
