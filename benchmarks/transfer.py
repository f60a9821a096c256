"""What frozen vectors are worth on a suite that a training may have seen in part, at every depth of a nested student.

    python benchmarks/transfer.py MODEL [MODEL ...] [--sets FILE] [--only NAMES] [--cut L,L,...] [--json FILE]

MODEL is an artifact folder (its ONNX graph is run) or any model reference (run in torch). The first is what the others
are compared with, and shown whole. With --cut, every other model that torch runs gives a row for each depth instead; a
single model gives both. Beside the table of `decant eval --sets` it says what each model's run had seen of the sets.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from decant.errors import InputError
from decant.files import expand_user
from decant.models.embedder import Embedder
from decant.models.encoder import SentenceEncoder
from decant.table import bullets, markdown
from decant.training.cores import usable_cores
from export.artifact.manifest import MANIFEST
from export.serve.session import OnnxEncoder
from pipeline.recipe.recipe import load_recipe
from pipeline.report.machine import read_environment
from pipeline.report.suite_table import suite_table
from pipeline.screen.console import Screen
from pipeline.suite.evaluate_suite import SuiteResult, load_encoder
from pipeline.suite.measure_suite import measure_suite
from pipeline.suite.read_sets import read_sets
from pipeline.suite.suite_file import read_suite
from pipeline.texts.source import Source
from students.cuts.cut import cut

SUITE = Path(__file__).parents[1] / "configs" / "suite.yaml"


@dataclass(frozen=True)
class Model:
    """A row of the table."""

    name: str
    reference: str
    encoder: Embedder | OnnxEncoder


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    try:
        suite = read_suite(options.sets)
        unknown = [name for name in options.only if name not in suite]
        if unknown:
            raise InputError(f"--only {unknown[0]}: {options.sets} has none of this name; there is {', '.join(suite)}")
        sets = read_sets({name: suite[name] for name in options.only or suite}, options.sets.parent)
        models = open_models(options.models, options.cut, options.max_length, options.threads)
        encoders = {model.name: model.encoder for model in models}
        result = SuiteResult(sets, measure_suite(sets, encoders, Screen().watch, teacher=models[0].name))
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    environment = read_environment(options.threads)
    table = suite_table(result.names, result.rows, models[0].name, whole_is="the first's")
    seen = {model.reference: seen_sets(Path(model.reference), result.names) for model in models}
    print(f"{options.threads} threads, {environment.cpu} ({', '.join(environment.cpu_features)})\n")
    print(markdown(table), bullets([*table.legend, *result.notes, *said(seen, result.names)]), sep="\n\n")
    if options.json is not None:
        content = {"environment": environment.model_dump(), "seen": seen, **result.as_json()}
        options.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def open_models(references: Sequence[str], depths: Sequence[int], max_length: int | None, threads: int) -> list[Model]:
    """Every row's model, loaded before the long work, so that a wrong name is told at once."""
    models = []
    for number, reference in enumerate(dict.fromkeys(references)):
        if (expand_user(reference) / MANIFEST).is_file():
            models.append(Model(reference, reference, load_encoder(reference, threads)))
            continue
        encoder = SentenceEncoder.load(reference, max_length)
        if number == 0 or not depths:
            models.append(Model(reference, reference, encoder))
        if number > 0 or len(references) == 1:
            beyond = [depth for depth in depths if not 1 <= depth <= encoder.layers]
            if beyond:
                raise InputError(f"--cut {beyond[0]}: {reference} has {encoder.layers} layers")
            models += [Model(f"{reference}, first {n}", reference, cut(encoder, n)) for n in depths]
    return models


def seen_sets(folder: Path, names: Sequence[str]) -> dict[str, str] | None:
    """What a run's training took from each set, "labels" or "texts", by the recipe of the run that the folder is of.

    None where no recipe is known.
    """
    places = [place / "recipe.yaml" for place in (folder, *folder.resolve().parents[:2])]
    path = next((path for path in places if folder.is_dir() and path.is_file()), None)
    if path is None:
        return None
    recipe = load_recipe(path)
    train = [recipe.texts.train] if recipe.texts.train is not None else []
    sentences = recipe.embedding.sentences if recipe.embedding is not None else ()
    seen = {one: "texts" for source in (*train, *recipe.texts.unlabelled, *sentences) for one in named(source, names)}
    return seen | {one: "labels" for source in train if recipe.saw_labels() for one in named(source, names)}


def named(source: Source, names: Sequence[str]) -> list[str]:
    """The sets whose name stands in a source's path."""
    places = [Path(place) for place in (source.path, source.data, source.hub, source.config) if place]
    return [name for name in names if any(name in (*place.parts, place.stem) for place in places)]


def said(seen: dict[str, dict[str, str] | None], names: Sequence[str]) -> list[str]:
    """What each model's training had seen; not what a loaded teacher or start model had learned before."""
    lines = []
    for reference, found in seen.items():
        if found is None:
            lines.append(f"{reference}: no recipe stands beside it, so what its training saw is not known here.")
        else:
            each = ", ".join(f"{name} {found.get(name, 'unseen')}" for name in names)
            lines.append(f"{reference}, by its run's recipe: {each}.")
    return lines


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--sets", type=Path, default=SUITE, metavar="FILE", help="default: configs/suite.yaml")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="names of its sets; default: all")
    parser.add_argument("--cut", type=_depths, default=[], metavar="L,L", help="depths of the models after the first")
    parser.add_argument("--max-length", type=int, help="tokens a text for models in torch; default: as each states")
    parser.add_argument("--threads", type=int, default=usable_cores(), help="default: all cores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures")
    return parser.parse_args()


def _depths(text: str) -> list[int]:
    try:
        return list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: give whole numbers, separated by commas") from error


if __name__ == "__main__":
    main()
