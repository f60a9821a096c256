"""Artifacts and models of any reference on a suite file: what `decant eval --sets` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decant.errors import InputError
from decant.files import expand_user
from decant.progress import Watch
from decant.training.cores import usable_cores
from export.artifact.manifest import MANIFEST, is_reranker, verify_artifact
from export.serve.open_encoder import open_on_cpu
from pipeline.measure.bootstrap import RESAMPLES
from pipeline.suite.measure_suite import SuiteFigures, measure_suite, suite_mean
from pipeline.suite.read_sets import LoadedSet, read_sets
from pipeline.suite.settings import ClassSet
from pipeline.suite.suite_file import read_suite

if TYPE_CHECKING:
    from pipeline.suite.judge_set import Encoder


@dataclass(frozen=True)
class SuiteResult:
    """Models on a suite.

    Args:
        sets: as they were read.
        rows: figures by model, as it was named; the first is what the others are compared with.
    """

    sets: Sequence[LoadedSet]
    rows: dict[str, SuiteFigures]

    @property
    def names(self) -> list[str]:
        """Of the sets."""
        return [one.name for one in self.sets]

    @property
    def notes(self) -> list[str]:
        """What is odd of the data."""
        return [note for one in self.sets for note in one.notes]

    def as_json(self) -> dict[str, Any]:
        """Ready for JSON, figures as fractions; `of_first` of a mean is its share of the first model's."""
        means = {name: suite_mean(figures, self.names) for name, figures in self.rows.items()}
        first = next(iter(means.values()))
        rows = [
            {
                "model": name,
                "sets": {key: _stated(one.model_dump(mode="json")) for key, one in figures.items()},
                "mean": means[name],
                "of_first": _share(means[name], first),
            }
            for name, figures in self.rows.items()
        ]
        return {"sets": {one.name: one.settings.kind for one in self.sets}, "rows": rows, "notes": self.notes}


def evaluate_suite(
    models: Sequence[str], file: Path, watch: Watch, *, threads: int | None = None, resamples: int = RESAMPLES
) -> SuiteResult:
    """Judge models on the sets of a file.

    Args:
        models: artifact folders, which onnxruntime runs, or model references, which torch runs; each once.
        file: the suite.
        threads: of the CPU; default: all that this process may use.
        resamples: of the bootstrap intervals.

    Raises:
        InputError: the file, its data or a model cannot be used.
        GateError: a vector is not finite.
    """
    sets = read_sets(read_suite(file), file.parent)
    if any(isinstance(one.settings, ClassSet) for one in sets):
        import_module("sklearn.linear_model")  # told before the models are run where it is not installed
    encoders = {name: load_encoder(name, threads) for name in dict.fromkeys(models)}
    return SuiteResult(sets, measure_suite(sets, encoders, watch, teacher=models[0], resamples=resamples))


def load_encoder(reference: str, threads: int | None = None) -> Encoder:
    """An artifact as it is served, or the model of a reference in torch.

    Raises:
        InputError: it cannot be loaded, or gives no vectors.
    """
    folder = expand_user(reference)
    if folder.is_dir() and is_reranker(folder):
        raise InputError(f"{folder} is a re-ranker, which gives no vectors; a suite judges models of vectors")
    if (folder / MANIFEST).is_file():
        verify_artifact(folder)
        return open_on_cpu(folder, threads)
    import torch  # which no artifact needs

    from decant.models.embedder import load_embedder

    torch.set_num_threads(threads or usable_cores())
    return load_embedder(reference)


def _share(value: float | None, whole: float | None) -> float | None:
    return value / whole if value is not None and whole else None


def _stated(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures, with `of_first` for what a report calls the teacher."""
    named = {"of_teacher": "of_first", "difference_to_teacher": "difference_to_first"}
    return {named.get(key, key): value for key, value in figures.items() if key != "of_student"}
