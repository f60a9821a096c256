"""Why a stage is made again: what of its inputs is not what it was, in one short line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel
from pydantic_core import PydanticUndefined, to_jsonable_python

from pipeline.recipe.recipe import Recipe

DIGEST = re.compile("[0-9a-f]{64}")
MOST = 3  # differences that are told
SHOWN = 40  # characters of a value
Keys = tuple[str, ...]

NEW = {
    "mine": "newly mined pairs", "candidates": "new lists", "teacher": "a new teacher",
    "embed": "a newly embedded student", "student": "a new student", "reranker": "a new re-ranker",
    "openvino": "new OpenVINO models", "measure": "new measurements", "report": "a new report",
}  # fmt: skip
MADE_FROM = {  # an input that is the fingerprint of a stage, or the digest of its files → that stage
    "texts": "texts", "vectors": "vectors", "teachers": "teacher", "teacher": "teacher", "targets": "targets",
    "student": "student", "students": "students", "best": "students", "graphs": "graphs", "measured": "measure",
    "models": "models", "reranker": "reranker", "artifacts": "artifacts", "engines": "engines",
}  # fmt: skip
SETTINGS = {  # (stage, input) → where the recipe has it; `settings` are those of the stage's own section
    ("vectors", "settings"): "embedding", ("vectors", "columns"): "texts.columns", ("embed", "settings"): "embedding",
    ("embedding", "settings"): "embedding.teachers.tune", ("mine", "settings"): "embedding.mine",
    ("students", "settings"): "student", ("students", "alpha"): "student.alpha", ("students", "seed"): "student.seeds",
    ("reranker", "parity"): "export.parity", ("graphs", "settings"): "export", ("checkpoints", "kinds"): "export.torch",
    ("openvino", "int8"): "export.openvino_int8", ("openvino", "openvino"): "export.openvino",
    ("engines", "shapes"): "export.engine_shapes", ("report", "recipe"): "",
}  # fmt: skip
WORDS = {  # what a digest or a list stands for, and where else a setting lies
    "pairs": "the pairs", "lists": "the lists", "limits": "what is no negative",
    "labels": "the train labels", "unlabelled": "the unlabelled pairs", "dev": "the dev pairs",
    "dev_labels": "the dev labels", "test": "the test pairs", "listed": "student.vocabulary.keep_from",
    "weights": "embedding.teachers.weight", "metric": "measure.metric", "shrink_seed": "seed", "set": "the set's name",
    "read": "what the teacher's folder says", "missing": "what is missing here", "notes": "what the report notes",
    "recipe": "the recipe", "most": "dimensions by budget.dim",
}  # fmt: skip
MODELS = {"teacher": "teacher.model", "embed": "student.model", "students": "student.model", "student": "student.model"}


def changed(
    stage: str, recipe: Recipe, before: Mapping[str, object], inputs: Mapping[str, object], known: Mapping[str, str]
) -> str:
    """What of a stage's inputs differs; empty where nothing does, or the version of its code.

    Args:
        stage: its folder under the run's.
        before: the inputs as its mark keeps them.
        inputs: those of today, likewise.
        known: fingerprint → the stage that has it.
    """
    if "version" in before and before["version"] != inputs.get("version"):
        return ""
    before, inputs = ({key: one for key, one in some.items() if key != "version"} for some in (before, inputs))
    place, found = stage.partition("/")[0], list(_differences(before, inputs))
    found = [one for one in found if one[0] != ("notes",)] or found  # which follow from what else there is
    stages = [name for keys, old, new in found for name in _stages(recipe, place, keys, old, new, known)]
    said = [f"made from {new_stages(stages)}"] if stages else []
    for keys, old, new in found:
        if not _stages(recipe, place, keys, old, new, known):
            said.append(_data(recipe, place, keys, old, new) or _setting(recipe, place, keys, old, new))
    said = list(dict.fromkeys(said))
    return ", ".join(said[:MOST]) + (f", and {len(said) - MOST} more" if len(said) > MOST else "")


def new_stages(names: Sequence[str]) -> str:
    """Stages that were made again, as what another is made from."""
    said = list(dict.fromkeys(NEW.get(name, f"new {name}") for name in names))
    return " and ".join(filter(None, (", ".join(said[:-1]), said[-1])))


def _differences(old: object, new: object, keys: Keys = ()) -> Iterator[tuple[Keys, object, object]]:
    """Where two JSON values differ, and both; None where one of them has nothing there."""
    mappings = [isinstance(one, Mapping) for one in (old, new)]
    if any(mappings) and all(one is None or is_one for one, is_one in zip((old, new), mappings, strict=True)):
        before, after = (one if isinstance(one, Mapping) else {} for one in (old, new))
        for key in {**before, **after}:
            yield from _differences(before.get(key), after.get(key), (*keys, key))
    elif old != new:
        yield keys, old, new


def _digests(value: object) -> list[str]:
    some = value if isinstance(value, list) else [value]
    return [one for one in some if isinstance(one, str) and DIGEST.fullmatch(one)]


def _stages(recipe: Recipe, place: str, keys: Keys, old: object, new: object, known: Mapping[str, str]) -> list[str]:
    """The stages that a difference comes from; none where it is one of settings or data."""
    earlier, later = _digests(old), _digests(new)
    if not earlier and not later:
        return []
    found = [known[one] for one in later if one not in earlier and one in known]
    if found:
        whole = [name for name in found if "/" not in name]
        return whole or [found[0].partition("/")[0]]
    if keys == ("model",) and place == "students" and recipe.embedding is not None:
        return ["embed"]
    return [MADE_FROM[keys[0]]] if len(keys) == 1 and keys[0] in MADE_FROM else []


def _data(recipe: Recipe, place: str, keys: Keys, old: object, new: object) -> str:
    """What is said of a file or model whose digest differs; empty where it is a setting."""
    if not _digests(old) and not _digests(new):
        return ""
    sources = recipe.sources()
    if keys[0] == "sources":
        pairs = enumerate(zip(_padded(old, new), _padded(new, old), strict=True)) if len(keys) == 1 else ()
        names = [f"embedding.sentences.{i}" for i, (one, other) in pairs if one != other] or [keys[-1]]
        named = [sources[name] for name in names if name in sources]
        said = [one.path or one.data or one.hub or "" for one in named] or names
        what = "was added" if old is None else "was left out" if new is None else "changed"
        return f"{', '.join(said)} {what}"
    if keys == ("model",):
        key = MODELS.get(place, "the model")
        return f"{key} {recipe.models().get(key, '')} changed".replace("  ", " ")
    return f"{WORDS.get(keys[0], '.'.join(keys))} changed"


def _padded(some: object, other: object) -> list[object]:
    values, others = (one if isinstance(one, list) else [] for one in (some, other))
    return [*values, *[None] * (len(others) - len(values))]


def _setting(recipe: Recipe, place: str, keys: Keys, old: object, new: object) -> str:
    """A setting with its two values; one that is not stated has its default."""
    prefix = SETTINGS.get((place, keys[0]), place if keys[0] == "settings" else None)
    name = ".".join(keys) if prefix is None else ".".join(filter(None, (prefix, *keys[1:])))
    default = _default(recipe, name)
    values = [_shown(default if value is None else value) for value in (old, new)]
    name = WORDS.get(name, name)
    if "webhook" in name or max(map(len, values)) > SHOWN or values[0] == values[1]:
        return f"{name} changed"
    return f"{name} {values[0]} → {values[1]}"


def _default(recipe: Recipe, name: str) -> object:
    """Of a setting, as JSON; None where the recipe has no such section."""
    section: object = recipe
    *above, last = name.split(".")
    for key in above:
        section = getattr(section, key, None)
    field = type(section).model_fields.get(last) if isinstance(section, BaseModel) else None
    default = field.get_default(call_default_factory=True, validated_data={}) if field is not None else None
    return None if default is PydanticUndefined else to_jsonable_python(default)


def _shown(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or "none"
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
