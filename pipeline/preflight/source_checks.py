"""What a recipe's files say before anything is trained: their columns, and the labels and texts of their first rows."""

from __future__ import annotations

from pathlib import Path

from decant.errors import DecantError
from pipeline.recipe.recipe import Recipe
from pipeline.suite.read_sets import read_sets, set_sources
from pipeline.texts.candidate_lists import check_candidates
from pipeline.texts.pair_rows import check_first_rows
from pipeline.texts.rankings import load_rankings, source_files
from pipeline.texts.sentences import SentenceSource, load_sentences
from pipeline.texts.source import Source, local_file

LOOKED_AT = 1000  # rows of a source
SUITE = "measure.sets."


def source_errors(recipe: Recipe, base: Path) -> list[str]:
    """All that is wrong with the files and folders, a line each, with the key that names them; the hub is left out."""
    errors = []
    for key, source in recipe.sources().items():
        if key.startswith(SUITE):
            continue
        try:
            if local_file(source, base) is not None:
                _check(recipe, base, key, source)
        except DecantError as error:
            errors.append(f"{key}: {error}")
    return errors + _ranking_errors(recipe, base) + _suite_errors(recipe, base)


def _ranking_errors(recipe: Recipe, base: Path) -> list[str]:
    """What is wrong with the folders of a ranking, which are read whole where all their files are there."""
    errors = []
    for key, source in recipe.rankings().items():
        try:
            source_files(key, source, base)
        except DecantError as error:
            errors.append(f"{key}: {error}")
    if errors or not recipe.rankings() or recipe.candidates is None:
        return errors
    try:
        rankings, _ = load_rankings(recipe.texts, base)
        check_candidates(recipe.candidates, len(rankings.train.documents))
    except DecantError as error:
        said = str(error)
        return [said if said.startswith(("candidates.", "texts.")) else f"texts: {said}"]
    return []


def _suite_errors(recipe: Recipe, base: Path) -> list[str]:
    """What is wrong with the sets of the suite, each of which is read whole, but for those from the hub."""
    errors = []
    for name, settings in recipe.measure.sets.items():
        try:
            if all(local_file(source, base) is not None for source, _ in set_sources(settings).values()):
                read_sets({name: settings}, base)
        except DecantError as error:
            said = str(error).splitlines()
            errors += [f"{SUITE}{line if line.startswith(f'{name}: ') else f'{name}: {line}'}" for line in said]
    return errors


def _check(recipe: Recipe, base: Path, key: str, source: Source) -> None:
    texts = recipe.texts
    if isinstance(source, SentenceSource):
        few = source.model_copy(update={"limit": min(source.limit or LOOKED_AT, LOOKED_AT)})
        load_sentences([few], base, texts.problems)
        return
    labelled = key in ("texts.train", "texts.dev", "texts.test")
    rows = min(texts.limit or LOOKED_AT, LOOKED_AT) if key == "texts.train" else LOOKED_AT
    check_first_rows(source, texts, texts.task if labelled else None, base, rows)
