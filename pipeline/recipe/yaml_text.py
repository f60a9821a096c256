"""YAML as a recipe is written in: plain values only, and no more of them than a recipe has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pipeline.recipe.yaml_problems import yaml_problem

MOST_BYTES = 1 << 20
MOST_NODES = 100_000  # with every alias unfolded: twenty lines of aliases can stand for 10^9 values
NO_TEXT = "this is not a text file in UTF-8"
TOO_DEEP = "brackets stand too deep inside each other; a recipe has a few levels"
NO_VALUE = (
    "a value is none of its kind, such as a date of month 13 or a number of thousands of digits; put it in quotes"
)


class YamlError(ValueError):
    """A text that is no YAML, or more than a recipe needs.

    Args:
        problem: one clause.
        line: where it is, from 1; None: not in one place.
    """

    def __init__(self, problem: str, line: int | None = None) -> None:
        self.line = line
        super().__init__(problem)


def read_yaml(path: Path) -> tuple[Any, yaml.Node | None]:
    """A file's content, and the tree that tells where it stands.

    Raises:
        YamlError: as `parse_yaml`, or the file is too large or not UTF-8.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:  # read no further than a recipe can be, whatever is given: a device has no end
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise YamlError(f"a recipe is text of at most {MOST_BYTES // 1024} KiB")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise YamlError(NO_TEXT) from error
    return parse_yaml(text)


def parse_yaml(text: str) -> tuple[Any, yaml.Node | None]:
    """A text's content, and the tree that tells where it stands; no tag makes an object of Python.

    Raises:
        YamlError: it is not YAML, a key is given twice, an alias stands inside what it names, or aliases unfold to too
            much.
    """
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None, None
        if _unfolded(node, set(), {}) > MOST_NODES:
            raise YamlError(f"its aliases unfold to more than {MOST_NODES:,} values")
        return loader.construct_document(node), node
    except yaml.reader.ReaderError as error:
        raise YamlError(NO_TEXT) from error
    except yaml.MarkedYAMLError as error:
        said, line = yaml_problem(error, text)
        raise YamlError(f"not YAML: {said}", line) from error
    except YamlError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise YamlError(f"not YAML: {TOO_DEEP if isinstance(error, RecursionError) else NO_VALUE}") from error


def _unfolded(node: yaml.Node, around: set[int], known: dict[int, int]) -> int:
    """How many values a tree stands for once every alias is written out."""
    if id(node) in around:
        raise YamlError("an alias stands inside what it names", node.start_mark.line + 1)
    if id(node) not in known:
        around.add(id(node))
        inner = node.value if isinstance(node, yaml.SequenceNode) else ()
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            inner = [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_unfolded(part, around, known) for part in inner)
        around.remove(id(node))
    return known[id(node)]


def _check_keys(node: yaml.MappingNode) -> None:
    """Refuse a key that is given twice, of which PyYAML would take the last without a word."""
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue  # a list or a mapping, which is no key of a recipe
        line = key.start_mark.line + 1
        if key.value in lines:
            raise YamlError(f"{key.value} is given twice, on lines {lines[key.value]} and {line}; keep one", line)
        lines[key.value] = line
