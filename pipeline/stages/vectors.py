"""Stage `vectors`: the texts that an embedding teacher explains, and its vectors of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from export.encode_texts import encoding_precision, fast_encode
from export.save_quantized import quantized
from pipeline.recipe import EmbeddingSettings, EmbeddingTeacher, Recipe
from pipeline.run_dir import MARK, RunDir, Stage, fingerprint
from pipeline.stages.metric import dev_metric
from pipeline.stages.teacher import stated
from pipeline.texts.augment import augment
from pipeline.texts.load import Texts
from pipeline.texts.mine import check_mining
from pipeline.texts.sentences import leak_key, load_sentences
from pipeline.texts.source import source_digest
from students.tune import tune
from teachers.encoder import SentenceEncoder
from teachers.errors import InputError
from teachers.fit import discard_checkpoints
from teachers.optimizer import training_precision
from teachers.progress import Watch
from teachers.quantized import quantized_kind
from teachers.ray_workers import ray_workers
from teachers.reference import model_digest, resolve_model
from teachers.targets import link_shards
from teachers.vectors import Encode, MixedVectors, Vectors, teacher_vectors

VERSION = 1
SHARDS, DROPPED = "shards", "dropped.json"


class Taught(NamedTuple):
    """Texts by what becomes of them, and how many were left out by kind of problem."""

    given: list[str]
    augmented: list[str]
    held_back: list[str]
    dropped: dict[str, int]


@dataclass(frozen=True)
class Lesson:
    """What a student learns from embedding teachers.

    Args:
        texts: that it trains on, the augmented ones last.
        given: how many of them were given.
        held_back: that it is judged by on the way.
        teachers: folders of the teachers, and the weight of each.
        precision: of the teachers' vectors.
        dropped: how many sentences were left out, by kind of problem.
    """

    stage: Stage
    texts: list[str]
    given: int
    held_back: list[str]
    teachers: tuple[tuple[Path, float], ...]
    precision: Literal["fp32", "bf16"]
    dropped: dict[str, int]

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """The teachers' vectors of texts that the stage has seen, in this order."""
        stores = []
        for folder, _ in self.teachers:
            shards = _shards(self.stage.folder, folder, self.precision)
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
    if not (run_dir.folder("vectors") / MARK).is_file():
        _sentences(recipe, settings, base, texts)  # what is wrong with them is told before a teacher is fine-tuned
    teachers = tuple(
        (_teacher(recipe, number, one, base, texts, texts_done, run_dir, watch), one.weight)
        for number, one in enumerate(settings.teachers)
    )
    precision = encoding_precision(settings.encode_precision)
    inputs: dict[str, object] = {
        "teachers": [model_digest(folder) for folder, _ in teachers], "texts": texts_done.fingerprint,
        "sources": [source_digest(source, base) for source in settings.sentences], "seed": recipe.seed,
        "settings": settings.model_dump(
            mode="json", include={"sentences", "augment", "held_back"}, exclude={"sentences": {"__all__": {"quoting"}}}
        ),
        "precision": precision,
    }  # fmt: skip
    finished = run_dir.folder("vectors")

    def write(folder: Path) -> None:
        taught = _sentences(recipe, settings, base, texts)
        for name in ("given", "augmented", "held_back"):
            table = pa.table({"text": pa.array(getattr(taught, name), pa.string())})
            pq.write_table(table, folder / f"{name}.parquet")
        (folder / DROPPED).write_text(json.dumps(taught.dropped) + "\n", encoding="utf-8")
        every = list(dict.fromkeys([*taught.given, *taught.augmented, *taught.held_back, *pair_texts(texts)]))
        for source, _ in teachers:
            shards = _shards(folder, source, precision)
            link_shards(_shards(finished, source, precision), shards)
            dim, how = SentenceEncoder.load(source).dim, recipe.labels
            if how.engine == "ray":
                make = partial(text_encoder, texts=len(every), precision=precision, threads=how.threads)
                spread = ray_workers(how, make, source)
                teacher_vectors(every, _unexpected, shards, dim, watch=watch, spread=spread)
            else:
                encode = text_encoder(source, folder, texts=len(every), precision=precision)
                teacher_vectors(every, encode, shards, dim, watch=watch)

    stage = run_dir.make("vectors", fingerprint("vectors", VERSION, inputs), write)
    given, more, held_back = (_read(stage.folder / f"{name}.parquet") for name in ("given", "augmented", "held_back"))
    dropped = json.loads((stage.folder / DROPPED).read_text(encoding="utf-8"))
    return Lesson(stage, given + more, len(given), held_back, teachers, precision, dropped)


def text_encoder(
    source: Path, scratch: Path, *, texts: int, precision: Literal["fp32", "bf16"], threads: int | None = None
) -> Encode:
    """The vectors of the teacher in a folder, by the fastest way for so many texts.

    Args:
        scratch: a folder to work in.
        threads: of onnxruntime; all that this process may use, unless given.
    """
    encoder = SentenceEncoder.load(source)
    if quantized_kind(encoder.backbone) is None:  # else it is where it can compute already
        encoder.to("cuda" if torch.cuda.is_available() else "cpu")
    return fast_encode(encoder, texts, scratch, precision, threads)


def pair_texts(texts: Texts) -> list[str]:
    """Distinct texts of the training pairs, in the order of their first standing."""
    pairs = chain(texts.train.pairs, texts.unlabelled.pairs)
    return list(dict.fromkeys(text for pair in pairs for text in pair))


def _teacher(
    recipe: Recipe, number: int, settings: EmbeddingTeacher, base: Path, texts: Texts, texts_done: Stage,
    run_dir: RunDir, watch: Watch,
) -> Path:  # fmt: skip
    """The teacher's folder: the source's own, or one of the run with what was tuned or quantized."""
    source = resolve_model(settings.model, base)
    how, kind = settings.tune, recipe.texts.task.kind
    if how is None and settings.quantize is None:
        return source
    inputs: dict[str, object] = {"model": model_digest(source)}
    if how is not None:
        inputs |= {
            "settings": stated(how), "texts": texts_done.fingerprint,
            "seed": recipe.seed, "metric": recipe.measure.metric, "precision": training_precision(how),
        }  # fmt: skip
    inputs |= {"quantize": settings.quantize} if settings.quantize is not None else {}

    def write(folder: Path) -> None:
        if how is None:
            SentenceEncoder.load(source, quantize=settings.quantize).save(folder)
            return
        metric = dev_metric(kind, texts.dev.labels, recipe.measure.metric)
        tuned = tune(
            source, texts.train.pairs, texts.train.labels, kind, texts.dev.pairs, metric, folder / "training", how,
            seed=recipe.seed, devices=recipe.trainer, watch=watch,
        )  # fmt: skip
        (quantized(tuned, settings.quantize) if settings.quantize is not None else tuned).save(folder)
        discard_checkpoints(folder / "training")

    return run_dir.make(f"embedding/teacher{number}", fingerprint("embedding", VERSION, inputs), write).folder


def _sentences(recipe: Recipe, settings: EmbeddingSettings, base: Path, texts: Texts) -> Taught:
    """The texts to train on, those made of them, and those that are held back; none of them stands in dev or test.

    Raises:
        InputError: a source cannot be read or holds what is refused, or there are too few texts to train on or mine.
    """
    held_out = [text for split in (texts.dev, texts.test) for pair in split.pairs for text in pair]
    out = {leak_key(text) for text in held_out}
    read = load_sentences(settings.sentences, base, recipe.texts.problems, held_out)
    every = list(dict.fromkeys([*read.texts, *(text for text in pair_texts(texts) if leak_key(text) not in out)]))
    order = np.random.default_rng(recipe.seed).permutation(len(every))
    held_back = {every[row] for row in order[: min(settings.held_back, len(every) // 10)]}
    given = [text for text in every if text not in held_back]
    more = augment(given, settings.augment, recipe.seed, [*held_out, *held_back]) if settings.augment else []
    if len(given) + len(more) < settings.batch_size:
        raise InputError(
            f"embedding: {len(given) + len(more)} texts are fewer than a batch of {settings.batch_size}; "
            "give more sentences, or lower embedding.batch_size"
        )
    if settings.mine is not None:
        check_mining(settings.mine, len(given))
    return Taught(given, more, sorted(held_back), read.dropped_counts())


def _shards(folder: Path, teacher: Path, precision: str) -> Path:
    return folder / SHARDS / f"{model_digest(teacher)[:16]}-{precision}"


def _read(path: Path) -> list[str]:
    return list(pq.read_table(path).column("text").to_pylist())


def _unexpected(texts: Sequence[str], progress: object) -> NDArray[np.float32]:
    raise RuntimeError(f"{len(texts)} texts have no vector in a finished folder")
