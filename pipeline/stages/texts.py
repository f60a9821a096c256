"""Stage `texts`: read, check and split the recipe's pairs."""

from __future__ import annotations

from pathlib import Path

from decant.files import sha256_of
from pipeline.fingerprint import digest, stated
from pipeline.stages.estimate import Estimate
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.texts.load import Texts, load_texts, read_texts, save_texts
from pipeline.texts.rankings import source_files
from pipeline.texts.source import source_digest

VERSION = 2


def make_texts(run: Run, made: Made) -> Done:
    """The splits."""
    sources = {key: source for key, source in run.recipe.sources().items() if key.startswith("texts.")}
    digests = {key: source_digest(source, run.base) for key, source in sources.items()}
    for key, source in run.recipe.rankings().items():
        digests[key] = digest([sha256_of(file) for file in source_files(key, source, run.base)])
    inputs = {
        "sources": digests,
        "settings": stated(run.recipe.texts, leave_out=("train", "dev", "test", "unlabelled"))
        | {"task": stated(run.recipe.texts.task)},  # it always entered, and has a default only since
    }

    def write(folder: Path) -> None:
        save_texts(load_texts(run.recipe.texts, run.base, folder), folder)

    made.texts_done = run.make("texts", VERSION, inputs, write)
    made.texts = read_texts(made.texts_done.folder)
    return Done(made.texts_done, describe_texts(made.texts))


def describe_texts(texts: Texts) -> str:
    """Sizes of the splits, and what was dropped."""
    if not any(map(len, (texts.train, texts.dev, texts.test, texts.unlabelled))):
        return "no pairs"
    if texts.rankings is not None:
        return _described(texts)
    said = f"train {len(texts.train):,}, dev {len(texts.dev):,}, test {len(texts.test):,}"
    said += f", unlabelled {len(texts.unlabelled):,}" if len(texts.unlabelled) else ""
    return said + _said_dropped(texts)


def _described(texts: Texts) -> str:
    assert texts.rankings is not None
    said = ", ".join(f"{name} {len(one.queries):,}" for name, one in texts.rankings.splits.items())
    return f"{said} queries; {len(texts.rankings.train.documents):,} passages{_said_dropped(texts)}"


def _said_dropped(texts: Texts) -> str:
    dropped = ", ".join(f"{count} {kind}" for kind, count in texts.dropped_counts().items())
    return f"; dropped {dropped} (rows named in texts/texts.json)" if dropped else ""


def _told(estimate: Estimate) -> str:
    texts = estimate.texts
    if estimate.recipe.without_labels:
        return "none"
    if texts.rankings is not None:
        return _described(texts)
    return "{:,} train, {:,} dev, {:,} test pairs".format(*map(len, (texts.train, texts.dev, texts.test)))


TEXTS = Stage(
    "texts",
    VERSION,
    make_texts,
    seconds=lambda estimate: 3.0,
    told=_told,
)
