"""Stage `vectors`: the texts that an embedding teacher explains, and its vectors of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from decant.content_keys import content_key
from decant.errors import InputError
from decant.models.backbone import load_tokenizer
from decant.models.embedder import Embedder, load_embedder
from decant.models.encoder import SentenceEncoder
from decant.models.prompts import Prompts, read_behind, read_prompts
from decant.models.quantized import quantized_kind
from decant.models.reference import model_digest, resolve_model
from decant.training.fit import discard_checkpoints
from decant.training.optimizer import training_precision
from decant.training.training import Training
from export.quantize.save_quantized import quantized
from export.serve.encode_texts import encoding_precision, fast_encode
from pipeline.fingerprint import stated
from pipeline.measure.agreement import LEAST_TEXTS, agreement_pairs, agreement_texts
from pipeline.recipe.recipe import Recipe
from pipeline.recipe.recipe_prompts import teacher_prompts
from pipeline.recipe.sections import EmbeddingSettings, StaticStudent
from pipeline.run_dir import Finished
from pipeline.stages.dev_metric import dev_metric
from pipeline.stages.estimate import Estimate
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.texts.augment import augment
from pipeline.texts.load import Split, Texts, pair_texts
from pipeline.texts.mining import check_mining
from pipeline.texts.sentences import leak_key, load_sentences
from pipeline.texts.source import source_digest
from students.distill.tune import tune
from students.static.static_tokenizer import check_words
from teachers.cross_encoders.fine_tune import PairData
from teachers.labels.ray_workers import ray_workers
from teachers.labels.shard_store import link_shards
from teachers.labels.vector_store import Encode, JoinedVectors, MixedVectors, Vectors, teacher_vectors

VERSION = 2
SHARDS, DROPPED = "shards", "dropped.json"


class Taught(NamedTuple):
    """Texts by what becomes of them, how many were left out by kind of problem, and the prompts that sources name."""

    given: list[str]
    augmented: list[str]
    held_back: list[str]
    agreement: list[str]
    dropped: dict[str, int]
    prompts: dict[str, str]


@dataclass(frozen=True)
class VectorTargets:
    """What a student learns from embedding teachers.

    Args:
        texts: that it trains on, the augmented ones last.
        given: how many of them were given.
        held_back: that it is judged by on the way.
        teachers: folders of the teachers, and the weight of each.
        prompts: of each teacher.
        named: text → the name of its prompt, where its source or column names one.
        precision: of the teachers' vectors.
        dropped: how many sentences were left out, by kind of problem.
        agreement: held back from training and from judging it, where agreement with the teachers is measured.
    """

    stage: Finished
    texts: list[str]
    given: int
    held_back: list[str]
    teachers: tuple[tuple[Path, float], ...]
    prompts: tuple[Prompts, ...]
    named: Mapping[str, str]
    precision: Literal["fp32", "bf16"]
    dropped: dict[str, int]
    agreement: Sequence[str] = ()

    @property
    def weights(self) -> list[float]:
        """Of the teachers."""
        return [weight for _, weight in self.teachers]

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """The teachers' vectors of texts that the stage has seen, in this order, each behind its own prompt."""
        return self._mixed(texts, [self.named.get(text) for text in texts] if self.named else [None])

    def side_vectors(self, texts: Sequence[str], name: str | None) -> Vectors:
        """As `vectors`, of texts that stand in a column behind the prompt of this name."""
        return self._mixed(texts, [name])

    def read_by(self, prompts: Prompts, texts: Sequence[str]) -> list[str]:
        """Texts as a model of these prompts reads them, each behind its own."""
        if not self.named or not prompts.any:
            return list(texts)
        return [read_behind([text], prompts, self.named.get(text))[0] for text in texts]

    def encoder(self, name: str | None = None) -> Callable[[Sequence[str]], NDArray[np.float32]]:
        """A way to the teachers' vectors of any texts, float32 [texts, dim], mixed as `vectors` are.

        Args:
            name: of the prompt that the texts stand behind; None: the default one.
        """
        weights = np.array(self.weights)
        encoders = [embedder_of(folder, one) for (folder, _), one in zip(self.teachers, self.prompts, strict=True)]
        scales = np.sqrt(weights / weights.sum()).astype(np.float32)

        def encode(texts: Sequence[str]) -> NDArray[np.float32]:
            found = [one.encode(texts, prompt=name) * scale for one, scale in zip(encoders, scales, strict=True)]
            return np.concatenate(found, 1)

        return encode

    def _mixed(self, texts: Sequence[str], names: Sequence[str | None]) -> Vectors:
        """The teachers side by side; `names` has one a text, or one for all of them."""
        groups = list(dict.fromkeys(names))
        group = np.zeros(len(texts), np.int32)
        if len(groups) > 1:
            group[:] = [groups.index(name) for name in names]
        members = [np.flatnonzero(group == number) for number in range(len(groups))]
        row = np.zeros(len(texts), np.int64)
        for rows in members:
            row[rows] = np.arange(len(rows))
        stores: list[Vectors] = []
        for (folder, _), prompts in zip(self.teachers, self.prompts, strict=True):
            dim = embedder_of(folder, prompts).dim
            parts: list[Vectors] = []
            for name, rows in zip(groups, members, strict=True):
                some = texts if len(groups) == 1 else [texts[number] for number in rows.tolist()]
                shards = _shards(self.stage.folder, folder, self.precision, prompts, name)
                parts.append(teacher_vectors(some, _unexpected, shards, dim))
            stores.append(parts[0] if len(parts) == 1 else JoinedVectors(parts, group, row))
        return MixedVectors(stores, self.weights)


def make_vectors(run: Run, made: Made) -> Done:
    """The embedding teachers (fine-tuned where the recipe says so), the texts, and the vectors of those and the pairs.

    Vectors are found by content, so more texts cost only what is new.
    """
    recipe, base, texts, settings = run.recipe, run.base, made.texts, run.recipe.embedding
    assert settings is not None
    finished = run.folder.folder("vectors")
    if run.folder.mark("vectors") is None and not run.folder.look_only:
        _sentences(recipe, settings, base, texts)  # what is wrong with them is told before a teacher is fine-tuned
    teachers = tuple((_teacher(run, made, number), one.weight) for number, one in enumerate(settings.teachers))
    precision = encoding_precision(settings.encode_precision)
    inputs = {
        "teachers": [model_digest(folder) for folder, _ in teachers], "texts": made.texts_done.fingerprint,
        "sources": [source_digest(source, base) for source in settings.sentences], "seed": recipe.seed,
        "settings": stated(settings, only=("sentences", "augment", "held_back")), "precision": precision,
        "prompts": recipe.prompts, "columns": stated(recipe.texts.columns, only=("first_prompt", "second_prompt")),
    }  # fmt: skip
    prompts = tuple(teacher_prompts(recipe, folder) for folder, _ in teachers)
    kinds = ("given", "augmented", "held_back", *(("agreement",) if recipe.without_labels else ()))

    def write(folder: Path) -> None:
        taught = _sentences(recipe, settings, base, texts)
        for name in kinds:
            some = getattr(taught, name)
            table = pa.table({"text": pa.array(some, pa.string())})
            if taught.prompts:
                named = pa.array([taught.prompts.get(text) for text in some], pa.string())
                table = table.append_column("prompt", named)
            pq.write_table(table, folder / f"{name}.parquet")
        (folder / DROPPED).write_text(json.dumps(taught.dropped) + "\n", encoding="utf-8")
        groups = _by_prompt(recipe, taught, texts)
        for (source, _), own in zip(teachers, prompts, strict=True):
            for prompt, some in groups.items():
                shards = _shards(folder, source, precision, own, prompt)
                link_shards(_shards(finished, source, precision, own, prompt), shards)
                dim, how = embedder_of(source, own).dim, recipe.labels
                make = partial(text_encoder, texts=len(some), precision=precision, prompts=own, prompt=prompt)
                if how.engine == "ray":
                    label_parts = ray_workers(how, partial(make, threads=how.threads), source)
                    teacher_vectors(some, _unexpected, shards, dim, watch=run.watch, label_parts=label_parts)
                else:
                    teacher_vectors(some, make(source, folder), shards, dim, watch=run.watch)

    stage = run.make("vectors", VERSION, inputs, write)
    read = [_read(stage.folder / f"{name}.parquet") for name in kinds]
    given, more, held_back, *agreement = (some for some, _ in read)
    named = {text: name for _, names in read for text, name in names.items()}
    dropped = json.loads((stage.folder / DROPPED).read_text(encoding="utf-8"))
    made.vector_targets = VectorTargets(
        stage, given + more, len(given), held_back, teachers, prompts, named, precision, dropped, *agreement
    )
    said = f"{len(given) + len(more):,} texts, {len(teachers)} embedding teachers"
    if recipe.without_labels:
        made.texts = replace(texts, test=_agreement(made.vector_targets, recipe.seed))
        said += f"; {len(made.texts.test):,} pairs of {len(agreement[0]):,} held-back texts measure agreement with them"
    return Done(stage, said)


def text_encoder(
    source: Path, scratch: Path, *, texts: int, precision: Literal["fp32", "bf16"], threads: int | None = None,
    prompts: Prompts | None = None, prompt: str | None = None,
) -> Encode:  # fmt: skip
    """The vectors of the teacher in a folder, by the fastest way for so many texts.

    Args:
        scratch: a folder to work in.
        threads: of onnxruntime; all that this process may use, unless given.
        prompts: in place of the folder's.
        prompt: the name of the one that all texts stand behind; None: the default one.
    """
    encoder = embedder_of(source, prompts)
    if not isinstance(encoder, SentenceEncoder):
        return lambda part, progress: encoder.encode(part, progress=progress, prompt=prompt)
    if quantized_kind(encoder.backbone) is None:  # else it is where it can compute already
        encoder.to("cuda" if torch.cuda.is_available() else "cpu")
    return fast_encode(encoder, texts, scratch, precision, threads, prompt=prompt)


def embedder_of(folder: Path, prompts: Prompts | None) -> Embedder:
    """The model of a folder, with these prompts in place of its own where they are given."""
    encoder = load_embedder(folder)
    if prompts is not None:
        encoder.prompts = prompts
    return encoder


def _teacher(run: Run, made: Made, number: int) -> Path:
    """The teacher's folder: the source's own, or one of the run with what was tuned or quantized."""
    recipe, texts = run.recipe, made.texts
    assert recipe.embedding is not None
    settings = recipe.embedding.teachers[number]
    source = run.model(settings.model)
    how = settings.tune
    if how is None and settings.quantize is None:
        return source
    inputs: dict[str, object] = {"model": model_digest(source), "quantize": settings.quantize}
    if how is not None:
        inputs |= {
            "settings": stated(how), "texts": made.texts_done.fingerprint,
            "seed": recipe.seed, "metric": recipe.measure.metric, "precision": training_precision(how),
        }  # fmt: skip

    def write(folder: Path) -> None:
        if how is None:
            SentenceEncoder.load(source, quantize=settings.quantize).save(folder)
            return
        kind = recipe.texts.task.of_pairs
        metric = dev_metric(kind, texts.dev.labels, recipe.measure.metric)
        data = PairData(texts.train.pairs, texts.train.labels, kind, texts.dev.pairs, metric)
        tuned = tune(source, data, Training(folder / "training", how, recipe.seed, recipe.trainer, run.watch))
        (quantized(tuned, settings.quantize) if settings.quantize is not None else tuned).save(folder)
        discard_checkpoints(folder / "training")

    return run.make(f"embedding/teacher{number}", VERSION, inputs, write).folder


def _agreement(targets: VectorTargets, seed: int) -> Split:
    """What takes the place of labelled test pairs: pairs of held-back texts, and the teachers' cosines."""
    vectors = targets.vectors(targets.agreement).take(np.arange(len(targets.agreement)))
    return Split(*agreement_pairs(targets.agreement, vectors, seed))


def _sentences(recipe: Recipe, settings: EmbeddingSettings, base: Path, texts: Texts) -> Taught:
    """The texts to train on, those made of them, and those that are held back.

    None of them stands in dev, in test or in what agreement is measured on.

    Raises:
        InputError: a source cannot be read or holds what is refused, or there are too few texts to train on or mine.
    """
    held_out = [text for split in (texts.dev, texts.test) for pair in split.pairs for text in pair]
    out = {leak_key(text) for text in held_out}
    read = load_sentences(settings.sentences, base, recipe.texts.problems, held_out)
    every = list(dict.fromkeys([*read.texts, *(text for text in pair_texts(texts) if leak_key(text) not in out)]))
    order = np.random.default_rng(recipe.seed).permutation(len(every))
    judged = min(settings.held_back, len(every) // 10)
    measured = agreement_texts(len(every)) if recipe.without_labels else 0
    held_back, agreement = {every[row] for row in order[:judged]}, [every[row] for row in order[judged:][:measured]]
    apart = {leak_key(text) for text in agreement}
    if apart:
        held_back = {text for text in held_back if leak_key(text) not in apart}
    given = [text for text in every if text not in held_back and not (apart and leak_key(text) in apart)]
    out_of_it = [*held_out, *held_back, *agreement]
    more = augment(given, settings.augment, recipe.seed, out_of_it) if settings.augment else []
    if measured and len(agreement) < LEAST_TEXTS:
        raise InputError(
            f"embedding: of {len(every)} texts no {LEAST_TEXTS} can be held back to measure agreement with the "
            "teachers on; give more sentences, or texts.test"
        )
    if len(given) + len(more) < settings.batch_size:
        raise InputError(
            f"embedding: {len(given) + len(more)} texts are fewer than a batch of {settings.batch_size}; "
            "give more sentences, or lower embedding.batch_size"
        )
    if settings.mine is not None:
        check_mining(settings.mine, len(given))
    student = recipe.student
    if isinstance(student, StaticStudent) and student.words:
        check_words(load_tokenizer(resolve_model(student.model, base)), given + more, student.words, student.min_count)
    return Taught(given, more, sorted(held_back), agreement, read.dropped_counts(), _named(recipe, read.prompts, texts))


def _named(recipe: Recipe, of_sources: Mapping[str, str], texts: Texts) -> dict[str, str]:
    """Text → the name of its prompt: as its source says, else as the column does that it stands in first."""
    columns = recipe.texts.columns
    named = dict(of_sources)
    for side, name in zip(texts.sides, (columns.first_prompt, columns.second_prompt), strict=True):
        if name is not None:
            named = dict.fromkeys(side, name) | named
    return named


def _by_prompt(recipe: Recipe, taught: Taught, texts: Texts) -> dict[str | None, list[str]]:
    """Name of a prompt → the distinct texts that the teachers encode behind it."""
    columns = recipe.texts.columns
    groups: dict[str | None, dict[str, None]] = {}
    for text in chain(taught.given, taught.augmented, taught.held_back, taught.agreement):
        groups.setdefault(taught.prompts.get(text), {})[text] = None
    for side, name in zip(texts.sides, (columns.first_prompt, columns.second_prompt), strict=True):
        for text in side:
            groups.setdefault(name, {})[text] = None
            groups.setdefault(taught.prompts.get(text), {})[text] = None
    return {name: list(some) for name, some in groups.items()}


def _shards(folder: Path, teacher: Path, precision: str, prompts: Prompts, name: str | None) -> Path:
    """The shards of a teacher's vectors behind one prompt; without a mark where it is the folder's own default."""
    before = prompts.of(name)
    mark = ""
    if name is not None or before != read_prompts(teacher).of(None):
        mark = f"-{content_key(name or '', before).hex()[:12]}"
    return folder / SHARDS / f"{model_digest(teacher)[:16]}-{precision}{mark}"


def _read(path: Path) -> tuple[list[str], dict[str, str]]:
    """Texts, and the names of prompts of those that have one."""
    table = pq.read_table(path)
    texts = list(table.column("text").to_pylist())
    names = table.column("prompt").to_pylist() if "prompt" in table.column_names else []
    return texts, {text: name for text, name in zip(texts, names, strict=False) if name is not None}


def _unexpected(texts: Sequence[str], progress: object) -> NDArray[np.float32]:
    raise RuntimeError(f"{len(texts)} texts have no vector in a finished folder")


def _told(estimate: Estimate) -> str:
    embedding = estimate.recipe.embedding
    return ", ".join(teacher.model for teacher in embedding.teachers) if embedding is not None else ""


VECTORS = Stage(
    "vectors", VERSION, make_vectors, reads=("texts",), wanted=lambda recipe: recipe.embedding is not None,
    seconds=lambda estimate: estimate.embedding_seconds[0], told=_told, parts="embedding",
)  # fmt: skip
