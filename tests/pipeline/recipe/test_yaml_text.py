import codecs
import time
from pathlib import Path

import pytest

from pipeline.recipe.yaml_text import MOST_BYTES, YamlError, parse_yaml, read_yaml

UNFOLDING = "a: &a [x]\n" + "".join(
    f"{after}: &{after} [*{before}, *{before}, *{before}, *{before}, *{before}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        (UNFOLDING, "its aliases unfold to more than 100,000 values", None),
        ("b: 1\na: &a [*a]", "an alias stands inside what it names", 2),
        ("&a {<<: *a}", "an alias stands inside what it names", 1),
        ("a: 1\nb: 2\na: 1", "a is given twice, on lines 1 and 3; keep one", 3),
        ("a:\n  - {b: 1,\n     b: 2}", "b is given twice, on lines 2 and 3; keep one", 3),
        ("a: {<<: {b: 1}, <<: {c: 1}}", "<< is given twice, on lines 1 and 1; keep one", 1),
        ("a: !!python/object/apply:os.system ['true']", "not YAML: could not determine a constructor", 1),
        ("a: !!int ''", "not YAML: a value is none of its kind", None),
        ("a: !!bool x", "not YAML: a value is none of its kind", None),
        ("a: !!timestamp x", "not YAML: a value is none of its kind", None),
        ("a: 2001-13-45", "not YAML: a value is none of its kind, such as a date of month 13", None),
        (
            f"a: {'9' * 5000}",
            "not YAML: a value is none of its kind, such as .* or a number of thousands of digits",
            None,
        ),
        ("[" * 2000, "not YAML: brackets stand too deep inside each other", None),
        ("a: \0", "this is not a text file in UTF-8", None),
    ],
)
def test_what_is_no_recipes_yaml(text: str, problem: str, line: int | None) -> None:
    begun = time.process_time()
    with pytest.raises(YamlError, match=problem) as raised:
        parse_yaml(text)
    assert raised.value.line == line
    assert time.process_time() - begun < 5


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(codecs.BOM_UTF8 + b"name: \xef\xbb\xbfa\n")
    assert read_yaml(path)[0] == {"name": "\ufeffa"}


def test_a_few_aliases_and_merges_are_what_they_are() -> None:
    content, _ = parse_yaml("a: &a {k: 1}\nb: [*a, *a]\nc: {<<: *a, k: 2}")
    assert content == {"a": {"k": 1}, "b": [{"k": 1}, {"k": 1}], "c": {"k": 2}}
    assert parse_yaml("") == (None, None)


def test_a_file_is_read_no_further_than_a_recipe_can_be(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"a" * (MOST_BYTES + 1))
    with pytest.raises(YamlError, match="a recipe is text of at most 1024 KiB"):
        read_yaml(path)
    if Path("/dev/zero").exists():
        with pytest.raises(YamlError, match="a recipe is text of at most 1024 KiB"):
            read_yaml(Path("/dev/zero"))
    path.write_bytes(b"a: \xff")
    with pytest.raises(YamlError, match="this is not a text file in UTF-8"):
        read_yaml(path)
