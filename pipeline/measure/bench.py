"""`decant bench`: artifacts beside each other and beside what other libraries make of the same model, in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from decant.errors import InputError
from decant.models.reference import resolve_model
from decant.models.similarity import cosines, pair_vectors
from decant.progress import Watch
from decant.table import MISSING, Table, line, number_columns, text_columns
from decant.training.cores import usable_cores
from export.artifact.manifest import is_reranker, verify_artifact
from export.serve.open_encoder import open_on_cpu, served_files
from pipeline.measure.evaluate import Examples, evaluate
from pipeline.measure.peers import PEERS, load_peers
from pipeline.measure.size import size_mib
from pipeline.measure.speed import Speed, SpeedSettings, measure_speed, speed_steps
from pipeline.report.figures import or_missing, significant, with_half
from pipeline.report.machine import Environment, read_environment
from pipeline.report.unsteady import SIGN, marked
from pipeline.texts.labelled_pairs import read_labelled
from pipeline.texts.quoting import Quoting

if TYPE_CHECKING:
    from export.serve.open_encoder import Session

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
Pair = tuple[str, str]


class Benched(BaseModel, frozen=True, extra="forbid"):
    """One row."""

    name: str
    precision: str
    speed: Speed
    size_mib: float | None = None
    spearman: float | None = None
    ci95: tuple[float, float] | None = None


class Bench(BaseModel, frozen=True, extra="forbid"):
    """What was measured, and what could not be."""

    rows: tuple[Benched, ...]
    notes: tuple[str, ...]
    environment: Environment
    texts: int
    pairs: int | None = None


def bench(
    folders: Sequence[Path], pairs_file: Path, columns: tuple[str, str, str], model: str | None,
    settings: SpeedSettings, watch: Watch, quoting: Quoting | None = None,
) -> Bench:  # fmt: skip
    """Time artifacts, and peers where a model is named, in turns on the texts of a file of pairs.

    Args:
        folders: artifacts; each is verified first. Files and re-rankers among them are left out, and noted.
        pairs_file: whose texts are encoded; Spearman of the cosines too where its label column holds numbers.
        columns: names of the first text, the second text and the label.
        model: reference of the model that the peers run; None: no peers.
        settings: how often is timed.
        watch: shows how far it is.
        quoting: of the file of pairs; default: found out.

    Raises:
        InputError: an artifact is not as exported, two have one name, or the file cannot be read.
    """
    threads = settings.threads or usable_cores()
    pairs, labels, _ = read_labelled(pairs_file, *columns, quoting)
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    folders, notes = _encoders(folders)
    facts, artifacts = _artifacts(folders, threads)
    encoders: dict[str, Encode] = {name: artifact.encode for name, artifact in artifacts.items()}
    if model is not None:
        with watch("loading other libraries", 1):
            import torch

            torch.set_num_threads(threads)
            length = min(artifact.max_length for artifact in artifacts.values())
            peers, missing = load_peers(resolve_model(model), length)
            notes += missing
            facts |= {name: (PEERS[name][0], None) for name in peers}
            encoders |= peers
    accuracy = _accuracy(encoders, pairs, labels, watch)
    with watch("speed", speed_steps(settings, len(texts), 0, len(encoders))) as advance:
        speeds = measure_speed(encoders, texts, {}, [], settings, advance=advance)
    rows = [
        Benched(name=name, precision=facts[name][0], size_mib=facts[name][1], speed=speeds[name], **accuracy[name])
        for name in encoders
    ]
    return Bench(
        rows=tuple(rows), notes=tuple(notes), environment=read_environment(threads),
        texts=min(len(texts), settings.texts), pairs=len(pairs),
    )  # fmt: skip


def bench_table(found: Bench) -> Table:
    """The rows, fastest first; times as many texts as the first peer where there is one."""
    first_peer = next((row for row in found.rows if row.name in PEERS), None)
    rows = sorted(found.rows, key=lambda row: -(row.speed.texts_per_second or 0))
    figures = number_columns("Spearman", "texts/s", "×", "ms/text", "ms/32", "MiB")
    lines = [line(row.name, row.precision, *_cells(row, first_peer)) for row in rows]
    doubted = any(not one.steady for row in rows for one in row.speed.steadiness.values())
    legend = (f"{SIGN}. Run it again on a quiet machine.",) if doubted else ()
    return Table((*text_columns("model", "precision"), *figures), tuple(lines), legend)


def _cells(row: Benched, first_peer: Benched | None) -> list[str]:
    rate = row.speed.texts_per_second or 0.0
    peer = first_peer.speed.texts_per_second if first_peer is not None else None
    doubted = [one for one in (row, first_peer) if one is not None and one.speed.unsteady("texts_per_second")]
    return [
        with_half(row.spearman, row.ci95 or (0.0, 0.0)) if row.spearman is not None else MISSING,
        marked(significant(rate), row in doubted),
        marked(f"{rate / peer:.1f}" if peer else MISSING, bool(doubted)),
        *(_latency(row.speed, size) for size in ("1", "32")),
        or_missing(row.size_mib),
    ]


def _latency(speed: Speed, size: str) -> str:
    milliseconds = significant(speed.latency_ms[size].p50) if size in speed.latency_ms else MISSING
    return marked(milliseconds, speed.unsteady(f"latency_ms.{size}"))


def _encoders(folders: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Those that can be sentence encoders, and a line on what else was named beside them, as `artifacts/*` does."""
    left_out = {path: "a file" for path in folders if path.is_file()}
    left_out |= {path: "a re-ranker, which gives no vectors" for path in folders if is_reranker(path)}
    kept = [path for path in folders if path not in left_out]
    if not kept:
        return list(folders), []
    return kept, [f"{path} was left out: it is {what}." for path, what in left_out.items()]


def _artifacts(folders: Sequence[Path], threads: int) -> tuple[dict[str, tuple[str, float | None]], dict[str, Session]]:
    facts: dict[str, tuple[str, float | None]] = {}
    encoders: dict[str, Session] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in facts:
            raise InputError(f"two artifacts are named {name}; give folders of different names")
        facts[name] = (verify_artifact(folder).precision, size_mib(served_files(folder)))
        encoders[name] = open_on_cpu(folder, threads)
    return facts, encoders


def _accuracy(
    encoders: Mapping[str, Encode], pairs: Sequence[Pair], labels: NDArray[np.float64], watch: Watch
) -> dict[str, dict[str, Any]]:
    scores = {}
    with watch("accuracy", len(encoders)) as advance:
        for name, encode in encoders.items():
            advance(0, name)
            scores[name] = cosines(*pair_vectors(pairs, encode))
            advance(1)
    metrics = evaluate(Examples("regression", labels), scores)
    return {name: {"spearman": one.spearman, "ci95": one.ci95} for name, one in metrics.items()}
