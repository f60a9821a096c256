"""Stage `texts`: read, check and split the recipe's pairs."""

from __future__ import annotations

from pathlib import Path

from pipeline.fingerprint import stated
from pipeline.stages.stage import Done, Made, Run, Stage
from pipeline.texts.load import Texts, load_texts, read_texts, save_texts
from pipeline.texts.source import source_digest

VERSION = 2


def make_texts(run: Run, made: Made) -> Done:
    """The splits."""
    sources = {key: source for key, source in run.recipe.sources().items() if key.startswith("texts.")}
    inputs = {
        "sources": {key: source_digest(source, run.base) for key, source in sources.items()},
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
    said = f"train {len(texts.train):,}, dev {len(texts.dev):,}, test {len(texts.test):,}"
    said += f", unlabelled {len(texts.unlabelled):,}" if len(texts.unlabelled) else ""
    dropped = ", ".join(f"{count} {kind}" for kind, count in texts.dropped_counts().items())
    return f"{said}; dropped {dropped} (rows named in texts/texts.json)" if dropped else said


TEXTS = Stage(
    "texts", VERSION, make_texts, seconds=lambda estimate: 3.0,
    told=lambda estimate: "none" if estimate.recipe.without_labels else "{:,} train, {:,} dev, {:,} test pairs".format(
        *(len(one) for one in (estimate.texts.train, estimate.texts.dev, estimate.texts.test))
    ),
)  # fmt: skip
