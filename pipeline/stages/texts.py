"""Stage `texts`: read, check and split the recipe's pairs."""

from __future__ import annotations

from pathlib import Path

from pipeline.recipe.recipe import Recipe
from pipeline.run_dir import RunDir, Stage, fingerprint
from pipeline.texts.load import Texts, load_texts, read_texts, save_texts
from pipeline.texts.source import source_digest

VERSION = 2


def texts_fingerprint(recipe: Recipe, base: Path) -> str:
    """What the splits are made from: the settings and the content of every source."""
    texts = recipe.texts
    sources = {"train": texts.train, "test": texts.test, "dev": texts.dev}
    digests = {name: source_digest(source, base) for name, source in sources.items() if source is not None}
    inputs = {"sources": digests, "unlabelled": [source_digest(source, base) for source in texts.unlabelled]}
    settings = texts.model_dump(mode="json", exclude={"train", "dev", "test", "unlabelled"})
    return fingerprint("texts", VERSION, {"settings": settings, **inputs})


def texts_stage(recipe: Recipe, base: Path, run_dir: RunDir) -> tuple[Stage, Texts]:
    """The splits, and their folder."""

    def write(folder: Path) -> None:
        save_texts(load_texts(recipe.texts, base, folder), folder)

    stage = run_dir.make("texts", texts_fingerprint(recipe, base), write)
    return stage, read_texts(stage.folder)
