"""Whether the hub models and data sets of a recipe can be had: from the hub's cache here, or by one short request."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from decant.errors import InputError
from decant.models.hub import ask_hub
from decant.models.reference import check_hub_model, is_on_the_hub
from decant.temporary import is_temporary, raised_for
from pipeline.recipe.recipe import Recipe
from pipeline.suite.read_sets import set_sources
from pipeline.texts.sentences import SentenceSource
from pipeline.texts.source import DATA_VARIABLE, Source, check_columns, local_file


def hub_errors(recipe: Recipe, base: Path) -> tuple[dict[str, Path], list[InputError]]:
    """The folders of the hub models that are in the cache here, by their keys, and why the rest cannot be had.

    Of data sets, also that they lack a column, as far as the hub tells.
    """
    found: dict[str, Path] = {}
    errors: list[InputError] = []
    known: dict[str, Path | InputError | None] = {}
    ask = _Asking()
    for key, reference in recipe.models().items():
        if not is_on_the_hub(reference, base):
            continue
        if reference not in known:
            known[reference] = _model(reference, ask)
        outcome = known[reference]
        if isinstance(outcome, InputError):
            errors.append(type(outcome)(f"{key}: {outcome}"))
        elif outcome is not None:
            found[key] = outcome
    for key, source in recipe.sources().items():
        try:
            if source.hub is not None and _is_away(source, base):
                _check_set(source, _columns(recipe, key, source), ask)
        except InputError as error:
            errors.append(type(error)(f"{key}: {error}"))
    return found, errors


class _Asking:
    """Asks the hub; once it has not answered, that is what every further question gets."""

    def __init__(self) -> None:
        self.away: Exception | None = None

    def __call__(self, kind: Literal["model", "dataset"], reference: str) -> Any:
        if self.away is not None:
            raise self.away
        try:
            return ask_hub(kind, reference)
        except Exception as error:  # the hub's library passes on whatever the network raises
            self.away = error if is_temporary(error) else None
            raise


def _is_away(source: Source, base: Path) -> bool:
    try:
        return local_file(source, base) is None
    except InputError:
        return False  # told with the files


def _model(reference: str, ask: _Asking) -> Path | InputError | None:
    try:
        return check_hub_model(reference, ask)
    except InputError as error:
        return error


def _columns(recipe: Recipe, key: str, source: Source) -> tuple[str, ...]:
    if isinstance(source, SentenceSource):
        return source.columns
    for name, one in recipe.measure.sets.items():
        for own, (_, columns) in set_sources(one).items():
            if key == f"measure.sets.{name}.{own}":
                return columns
    names = recipe.texts.columns
    both = (names.first, names.second)
    return both if key.startswith("texts.unlabelled") else (*both, names.label)


def _check_set(source: Source, columns: tuple[str, ...], ask: _Asking) -> None:
    assert source.hub is not None
    name = f"hub dataset {source.hub}" + (f" ({source.config})" if source.config else "") + f", {source.split}"
    try:
        told = ask("dataset", source.hub)
    except Exception as error:  # as above
        if _is_cached(source.hub):
            return
        instead = f"; or put {source.data} into a folder and set {DATA_VARIABLE} to it" if source.data else ""
        said = f"{name} cannot be reached ({type(error).__name__}): check its name, connect to the hub{instead}"
        raise raised_for(error)(said) from error
    there = _told_columns(told, source.config)
    if there:
        check_columns([source.rename.get(column, column) for column in there], columns, name)


def _is_cached(reference: str) -> bool:
    """Whether datasets has read it before; what is read offline is this."""
    from datasets import config

    return (Path(config.HF_DATASETS_CACHE) / reference.replace("/", "___")).is_dir()


def _told_columns(told: Any, config: str | None) -> list[str]:
    """The columns that a data set's card names; none where it says nothing of them."""
    stated = getattr(getattr(told, "card_data", None), "dataset_info", None)
    for one in stated if isinstance(stated, list) else [stated]:
        if isinstance(one, dict) and (config is None or one.get("config_name") == config):
            features = one.get("features")
            return [str(feature["name"]) for feature in features] if isinstance(features, list) else []
    return []
