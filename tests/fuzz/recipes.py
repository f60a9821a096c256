"""Recipes: their text, their values, and `--set`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from pipeline.preflight.preflight import preflight_errors
from pipeline.recipe.recipe import load_recipe, recipe_digest, recipe_yaml
from pipeline.registry.settings import promotion_settings
from pipeline.suite.suite_file import read_suite
from tests.fuzz.bounds import works_or_refuses
from tests.fuzz.mutate import BAD_TEXT, YAML_BITS, changed, edited
from tests.fuzz.target import Target

SHIPPED = [path.read_text(encoding="utf-8") for path in sorted(Path("configs").rglob("*.yaml"))]
UNFOLDING = "a: &a [x]\n" + "".join(
    f"{k}: &{k} [*{j}, *{j}, *{j}]\n" for j, k in zip("abcdefgh", "bcdefghi", strict=True)
)
KEPT_TEXTS = [
    "a: !!int ''", "a: !!int x", "a: !!bool x", "a: !!timestamp x", "a: 2001-13-45", f"a: {'9' * 5000}",
    "a: &a [*a]", "a: &a {k: *a}", "&a {<<: *a}", UNFOLDING, f"seed: 0x{'f' * 4000}", "a" * (1 << 21), "[" * 5000,
    '"a\\nb": 1', '"\\ud800": 1', "name: ~", "name: 0x" + "f" * 4000,
]  # fmt: skip
KEPT_VALUES = [
    {"texts": {"task": {"kind": []}}}, {"measure": {"sets": "a\0b"}}, {"measure": {"sets": "recipe.yaml"}},
    {"measure": {"sets": {"pairs": {"kind": "pairs"}}}, "promotion": {"set": ["a"]}},
]  # fmt: skip
KEPT_SETS = [
    "a.b",
    "a\nb",
    "name=!!timestamp x",
    f"seed={'9' * 5000}",
    "seed=&a [*a]",
    "name.x=1",
    "=",
    "texts=\x1b[2J",
]


def recipe_targets(place: Path, tiny: dict[str, Any]) -> list[Target]:
    """Targets that write into `place`; `tiny` is a recipe whose files and models are there."""
    path = place / "recipe.yaml"
    shipped = [yaml.safe_load(text) for text in SHIPPED]
    keys = sorted({key for recipe in shipped for key in dotted(recipe)})

    def use(text: str, *overrides: str) -> None:
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        recipe = works_or_refuses(load_recipe, path, overrides)
        if recipe is not None:
            again = place / "again.yaml"
            again.write_text(recipe_yaml(recipe), encoding="utf-8")
            assert recipe_digest(load_recipe(again)) == recipe_digest(recipe)
        works_or_refuses(promotion_settings, path, {}, lines=100)
        works_or_refuses(read_suite, path, lines=100)

    def use_values(content: Any) -> None:
        use(yaml.safe_dump(content, allow_unicode=True))

    def use_preflight(content: Any) -> None:
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        recipe = works_or_refuses(load_recipe, path)
        if recipe is not None:
            for error in works_or_refuses(preflight_errors, recipe, place) or ():
                assert len(error.splitlines()) == 1, error

    overrides = st.builds(
        "{}{}{}".format,
        st.one_of(st.sampled_from([*keys, "", "a.b", " ", ".", "..", "texts.task.kind.x"]), st.text(max_size=6)),
        st.sampled_from(["=", "=", "=", "", "=="]),
        st.one_of(st.sampled_from(YAML_BITS), st.sampled_from(BAD_TEXT), st.text(max_size=8)),
    )  # fmt: skip
    return [
        Target("recipe, text", edited(SHIPPED, YAML_BITS), use, KEPT_TEXTS, 25, 60),
        Target("recipe, values", st.sampled_from(shipped).flatmap(changed), use_values, KEPT_VALUES, 30, 100),
        Target("--set", overrides, lambda override: use("name: a\n", override), KEPT_SETS, 200, 400),
        Target("recipe, preflight", changed(tiny), use_preflight, (), 30, 60),
    ]


def dotted(content: Any, above: tuple[str, ...] = ()) -> Iterator[str]:
    """Every key of a recipe as `--set` names it."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield ".".join((*above, str(key)))
            yield from dotted(value, (*above, str(key)))
