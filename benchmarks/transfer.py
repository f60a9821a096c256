"""What frozen vectors are worth on sets that a training may never have seen.

    python benchmarks/transfer.py MODEL [MODEL ...] [--data DIR] [--sets NAMES] [--cut L,L,...] [--json FILE]

MODEL is an artifact folder (its ONNX graph is run) or any model reference (run in torch). The first is what the others
are compared with, and shown whole. With --cut, every other model that torch runs gives a row for each depth instead;
a single model gives both. DIR defaults to the folder in DECANT_DATA.

    stsb                       Spearman of the cosine with the labels
    mrpc                       accuracy of a probe on [|u - v|; u * v]; also average precision of the cosine
    sst2 trec subj cr mr mpqa  accuracy of a probe on the vectors
    cranfield limit-small      nDCG@10 of an exact search by cosine

A probe is scikit-learn's logistic regression. Sets without a test part are cross-validated; of sst2, 10,000 training
rows drawn by seed are used, for time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transfer_sets import COSINE_AP, MOST_ROWS, PROBE, SETS, TransferSet, Vectors, measure_set, read_set

from decant.errors import InputError
from decant.models.encoder import SentenceEncoder
from decant.training.cores import usable_cores
from export.artifact.bundle import GRAPH, MANIFEST, read_manifest
from export.serve.session import OnnxEncoder
from pipeline.recipe.recipe import load_recipe
from pipeline.report.machine import read_environment
from pipeline.screen.console import Screen
from pipeline.texts.source import DATA_VARIABLE, Source, data_folder
from students.nesting.exits import encode_exits, unit_slice

DEFAULT_SETS = "stsb,mrpc,sst2,trec,subj,cr,cranfield"
MARKS = {"labels": " ᴸ", "texts": " ᵀ"}
Figures = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Model:
    """A row of the table."""

    name: str
    reference: str
    encoder: SentenceEncoder | OnnxEncoder
    """The whole one, of which the row may take fewer layers."""
    layers: int
    seen: dict[str, str] | None
    """What the training took from each set, "labels" or "texts"; None where no recipe is known."""


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    try:
        folder = options.data or data_folder()
        if folder is None:
            raise InputError(f"no folder with the sets: give --data DIR, or set {DATA_VARIABLE}")
        models = open_models(options.models, options.cut, options.max_length, options.threads)
        sets = [read_set(folder, name, options.limit) for name in options.sets]
        environment = read_environment(options.threads)
        found = measure(models, sets, Screen())
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(f"{options.threads} threads, {environment.cpu} ({', '.join(environment.cpu_features)})\n")
    print(table(models, sets, found))
    print("\n" + "\n".join(f"- {line}" for line in notes(models, sets, options.limit)))
    if options.json is not None:
        content = {"environment": environment.model_dump(), "probe": PROBE.model_dump(), "limit": options.limit}
        content["rows"] = as_json(models, sets, found)
        options.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def open_models(references: Sequence[str], depths: Sequence[int], max_length: int | None, threads: int) -> list[Model]:
    """Every row's model, loaded before the long work, so that a wrong name is told at once."""
    models = []
    for number, reference in enumerate(dict.fromkeys(references)):
        folder, seen = Path(reference), seen_sets(Path(reference))
        if (folder / MANIFEST).is_file() and (folder / GRAPH).is_file():
            layers = read_manifest(folder).layers
            models.append(Model(reference, reference, OnnxEncoder(folder, threads), layers, seen))
            continue
        encoder = SentenceEncoder.load(reference, max_length)
        if number == 0 or not depths:
            models.append(Model(reference, reference, encoder, encoder.layers, seen))
        if number > 0 or len(references) == 1:
            beyond = [depth for depth in depths if not 1 <= depth <= encoder.layers]
            if beyond:
                raise InputError(f"--cut {beyond[0]}: {reference} has {encoder.layers} layers")
            models += [Model(f"{reference}, first {n}", reference, encoder, n, seen) for n in depths]
    return models


def seen_sets(folder: Path) -> dict[str, str] | None:
    """What a run's training took from each set, by the recipe of the run that the folder belongs to."""
    places = [place / "recipe.yaml" for place in (folder, *folder.resolve().parents[:2])]
    path = next((path for path in places if folder.is_dir() and path.is_file()), None)
    if path is None:
        return None
    recipe = load_recipe(path)
    train = [recipe.texts.train] if recipe.texts.train is not None else []
    sentences = recipe.embedding.sentences if recipe.embedding is not None else ()
    seen = {name: "texts" for source in (*train, *recipe.texts.unlabelled, *sentences) for name in _named(source)}
    return seen | {name: "labels" for source in train if recipe.saw_labels() for name in _named(source)}


def _named(source: Source) -> list[str]:
    places = [Path(place) for place in (source.path, source.data, source.hub, source.config) if place]
    return [name for name in SETS if any(name in (*place.parts, place.stem) for place in places)]


def measure(models: Sequence[Model], sets: Sequence[TransferSet], screen: Screen) -> list[dict[str, dict[str, float]]]:
    """Of each model and set its figures, fractions; a distinct text is embedded once, and at all depths in one pass."""
    texts = list(dict.fromkeys(text for one in sets for text in one.texts))
    row = {text: index for index, text in enumerate(texts)}
    exits: dict[str, Vectors] = {}
    found = []
    for model in models:
        with screen.watch(model.name, len(texts)) as advance:
            vectors = _vectors(model, texts, exits, advance)

        def encode(wanted: Sequence[str], vectors: Vectors = vectors) -> Vectors:
            return vectors[[row[text] for text in wanted]]

        found.append({one.name: measure_set(one, encode) for one in sets})
    return found


def _vectors(model: Model, texts: Sequence[str], exits: dict[str, Vectors], advance: Callable[[int], None]) -> Vectors:
    """Unit vectors of a row; those of every depth of its encoder are kept in `exits`."""
    encoder = model.encoder
    if isinstance(encoder, OnnxEncoder) or model.layers == encoder.layers and model.reference not in exits:
        return encoder.encode(texts, progress=advance)
    if model.reference not in exits:
        exits[model.reference] = encode_exits(encoder, texts, progress=advance)
    return unit_slice(exits[model.reference][model.layers - 1], encoder.dim)


def average(sets: Sequence[TransferSet], figures: Figures) -> float:
    """Mean of the main figures of the sets other than sentence similarity; NaN where there is none."""
    values = [figures[one.name][one.metric] for one in sets if one.kind != "sts"]
    return float(np.mean(values)) if values else float("nan")


def table(models: Sequence[Model], sets: Sequence[TransferSet], found: Sequence[Figures]) -> str:
    """Markdown, values times 100."""
    pairs = [one.name for one in sets if one.kind == "pairs"]
    heads = ["model", "layers", "dim", "tokens", *(f"{one.name} {one.metric}" for one in sets)]
    heads += ["average without sts", "vs first", *(f"{name} AP of the cosine" for name in pairs)]
    lines = [f"| {' | '.join(heads)} |", f"| :--- |{' ---: |' * (len(heads) - 1)}"]
    for model, figures in zip(models, found, strict=True):
        mean, seen = average(sets, figures), model.seen or {}
        cells = [model.name, str(model.layers), str(model.encoder.dim), str(model.encoder.max_length)]
        cells += [f"{100 * figures[one.name][one.metric]:.2f}{MARKS.get(seen.get(one.name, ''), '')}" for one in sets]
        cells += [f"{100 * mean:.2f}"]
        cells += ["–" if model is models[0] else f"{100 * (mean - average(sets, found[0])):+.2f}"]
        cells += [f"{100 * figures[name][COSINE_AP]:.2f}" for name in pairs]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def notes(models: Sequence[Model], sets: Sequence[TransferSet], limit: int | None) -> list[str]:
    """How the figures came about, and what each model's training had seen of the sets."""
    lines = [
        f"Values x 100. Probe: LogisticRegression on unit vectors as they are, C {PROBE.c:g}; {PROBE.folds} folds, "
        f"seed {PROBE.seed}, where a set has no test part. tokens: where a text is cut off."
    ]
    sampled = [one for one in sets if one.train is not None and (one.name, "train") in MOST_ROWS]
    lines += [f"{one.name}: trained on {len(one.train.labels):,} rows, drawn by seed." for one in sampled if one.train]
    if limit is not None:
        lines.append(f"At most {limit} rows a part: a try, not figures to quote.")
    for reference, seen in {model.reference: model.seen for model in models}.items():
        if seen is None:
            lines.append(f"{reference}: no recipe stands beside it, so what its training saw is not known here.")
        else:
            said = ", ".join(f"{one.name} {seen.get(one.name, 'unseen')}" for one in sets)
            lines.append(f"{reference}, by its run's recipe: {said}.")
    lines.append(
        "ᴸ labels seen in training, ᵀ texts seen; not what a loaded teacher or start model had learned before."
    )
    return lines


def as_json(models: Sequence[Model], sets: Sequence[TransferSet], found: Sequence[Figures]) -> list[dict[str, Any]]:
    """The rows, as fractions."""
    return [
        {
            "model": model.name,
            "layers": model.layers,
            "dim": model.encoder.dim,
            "max_length": model.encoder.max_length,
            "seen": None if model.seen is None else {one.name: model.seen.get(one.name, "unseen") for one in sets},
            "metrics": figures,
            "average": average(sets, figures),
            "difference_to_first": average(sets, figures) - average(sets, found[0]),
        }
        for model, figures in zip(models, found, strict=True)
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder that holds the sets' folders")
    parser.add_argument("--sets", type=_sets, default=_sets(DEFAULT_SETS), help=f"of {','.join(SETS)}")
    parser.add_argument("--cut", type=_depths, default=[], metavar="L,L", help="depths of the models after the first")
    parser.add_argument("--max-length", type=int, help="tokens a text for models in torch; default: as each states")
    parser.add_argument("--threads", type=int, default=usable_cores(), help="default: all cores")
    parser.add_argument("--limit", type=int, metavar="ROWS", help="rows a part, for a quick try")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures")
    return parser.parse_args()


def _sets(text: str) -> list[str]:
    names = list(dict.fromkeys(text.split(",")))
    unknown = [name for name in names if name not in SETS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is no set; there are {', '.join(SETS)}")
    return names


def _depths(text: str) -> list[int]:
    try:
        return list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: give whole numbers, separated by commas") from error


if __name__ == "__main__":
    main()
