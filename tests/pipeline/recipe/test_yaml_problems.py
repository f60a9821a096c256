"""What is no YAML is told in plain words, with its line as it is written."""

import pytest

from pipeline.recipe.yaml_text import YamlError, parse_yaml

JARGON = ("mapping values", "block mapping", "block end", "flow sequence", "token", "scalar", "stream", "anchor")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("name: a: b", 1, "two colons in one line: .* the line is 'name: a: b'"),
        ("a: 1\n b: 2", 2, "wrong indentation: this line stands below a key that has its value already; .* ' b: 2'"),
        ("a:\n  b: 1\n c: 2", 3, "wrong indentation: this line stands further left or right .* the line is ' c: 2'"),
        ("- a\nb: 1", 2, "wrong indentation: .* the line is 'b: 1'"),
        ("a:\n\tb: 1", 2, r"a tab; indent with spaces, not with tabs; the line is '\\tb: 1'"),
        ("x: |\n y\n\tz: 1", 3, "a tab; indent with spaces"),
        ("name x\nb: 1", 2, "the line above it, 'name x', is no key: write key: value"),
        ("epochs:1\nb: 1", 2, "the line above it, 'epochs:1', is no key: .* a colon and a space behind it"),
        ("a: 1\nb\nc: 2", 2, "a key without a colon; write key: value, .* the line is 'b'"),
        ("a: 'x\nb: 2\nc: 3", 1, 'a quote is opened here and never closed; .* the line is "a: \'x"'),
        ('b: 2\na: "x\nc: 3\n', 2, "a quote is opened here and never closed"),
        ("a: [1, 2\nb: 3", 1, r"a bracket \[ is opened here and never closed, .* the line is 'a: \[1, 2'"),
        ("a: {b: 1\nc: 2", 1, "a bracket { is opened here and never closed"),
        ("a: 1\nb: {c: [\n", 2, r"the text ends inside a bracket; close each \[ and {; the line is 'b: {c: \['"),
        ("b: {a: 1}}", 1, "} closes what was not opened"),
        ("a: @x", 1, "@ has a meaning of its own in YAML; put a text that begins with it in quotes"),
        ("a: *x", 1, r"\* stands for an alias in YAML; put a text"),
        ("a: &", 1, r"& and \* stand for aliases"),
        ('a: "\\d"', 1, "a backslash in double quotes; write it twice, or take single quotes"),
        ("a: 'x' y", 1, "text behind a closed quote"),
        ("a: !x y", 1, "! stands for a tag in YAML"),
        ("a: 1\n---\nb: 2", 2, "--- begins a second document"),
    ],
)
def test_each_mistake_is_told_in_words(text: str, line: int, said: str) -> None:
    with pytest.raises(YamlError, match=f"^not YAML: .*{said}") as raised:
        parse_yaml(text)
    assert raised.value.line == line
    assert "\n" not in str(raised.value)
    assert not any(word in str(raised.value) for word in JARGON)


def test_a_long_line_is_cut() -> None:
    with pytest.raises(YamlError, match="the line is 'a: b: x{64}'…$"):
        parse_yaml("a: b: " + "x" * 200)
