"""A suite in a file of its own, which recipes and `decant eval` share: a mapping of names to sets, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from decant.errors import InputError
from decant.files import expand_user
from pipeline.recipe.plain_words import plain_words
from pipeline.recipe.yaml_places import LARGE, OF_A_KEY, Keys, Place, misread_numbers, misread_text, places_of
from pipeline.recipe.yaml_text import YamlError, read_yaml
from pipeline.suite.read_sets import set_sources
from pipeline.suite.settings import NamedSet, RankingSet, Suite

KINDS = ("pairs", "ranking", "classes")


def read_suite(path: Path) -> dict[str, NamedSet]:
    """The sets of a suite file by name, in its order; relative paths in it start at the file's folder.

    Raises:
        InputError: all that is wrong with its form and values, a line each.
    """
    try:
        content, node = read_yaml(path)
    except YamlError as error:
        raise InputError(f"{path}{f':{error.line}' if error.line is not None else ''}: {error}") from error
    except (OSError, ValueError) as error:  # a name may hold what no file's can
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: cannot be read: {why}; a suite is a file of named sets") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: a suite is a mapping, name: {{kind: …}}, not {type(content).__name__}")
    places = places_of(node)
    try:
        suite = Suite.model_validate({"sets": content})
    except ValidationError as error:
        raise InputError(*dict.fromkeys(_line(path, places, detail) for detail in error.errors())) from error
    misread = [f"{_place(path, places, keys)}{said}" for keys, said in misread_numbers(suite, _beneath_sets(places))]
    if misread:
        raise InputError(*misread)
    return suite.sets


def inlined(content: dict[str, Any], base: Path) -> None:
    """Put the sets of the file that a recipe names into its content, which is changed, with paths from the recipe on.

    Args:
        base: the recipe's folder.

    Raises:
        InputError: as `read_suite`.
    """
    measure = content.get("measure")
    named = measure.get("sets") if isinstance(measure, dict) else None
    if isinstance(measure, dict) and isinstance(named, str):
        file = expand_user(named)
        sets = {name: _beside(one, file.parent) for name, one in read_suite(base / file).items()}
        measure["sets"] = {name: one.model_dump(mode="json", exclude_defaults=True) for name, one in sets.items()}


def _beside(one: NamedSet, folder: Path) -> NamedSet:
    """The set with paths that start where the folder's own does."""
    if isinstance(one, RankingSet):
        return one if one.path is None else one.model_copy(update={"path": _under(folder, one.path)})
    moved = {
        key: source.model_copy(update={"path": _under(folder, source.path)})
        for key, (source, _) in set_sources(one).items()
        if source.path is not None
    }
    return one.model_copy(update=moved)


def _under(folder: Path, path: str) -> str:
    return str(folder / expand_user(path))


def _beneath_sets(places: Mapping[Keys, Place]) -> dict[Keys, Place]:
    return {("sets", *keys): place for keys, place in places.items()}


def _place(path: Path, places: Mapping[Keys, Place], keys: Keys) -> str:
    """Where a value stands, by its keys under `sets`: suite.yaml:3: trec.source: ."""
    own = keys[1:]
    line = next((places[own[:end]].line for end in range(len(own), 0, -1) if own[:end] in places), None)
    return f"{path}{f':{line}' if line is not None else ''}: {'.'.join(own) or 'suite'}: "


def _line(path: Path, places: Mapping[Keys, Place], error: Mapping[str, Any]) -> str:
    """One of pydantic's errors, with its file, line and keys."""
    location, given = error["loc"], error.get("input")
    keys = tuple(
        str(part) for place, part in enumerate(location) if not (place == 2 and part in KINDS) and part != OF_A_KEY
    )
    said = misread_text(error, places.get(keys[1:])) or plain_words(error, Suite)
    plain = isinstance(given, str | float | bool) or (isinstance(given, int) and abs(given) < LARGE)
    shown = plain and error["type"] not in ("extra_forbidden", "union_tag_invalid")
    return _place(path, places, keys) + said + (f" (given: {given!r})" if shown else "")
