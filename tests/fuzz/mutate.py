"""Inputs that are nearly right: text, bytes and JSON values with a few changes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

BAD_TEXT = (
    "", " ", "\0", "\x1b[2J", "\r", "\t", "\u2028", "\x85", "\ufeff", "\ufffd", "é" * 3, "𝕏", "~root/x",
    "~nobody7/x", "../../..", "/", "/etc/passwd", "x" * 300, "a" * 5000, "file://x", "package:", "package:os/..",
    "package:json.tool/x", "${HOME}", "{{ 7 * 7 }}", "%s%n", "nan", "inf", "-0", "1e400", "0x" + "f" * 4000, "NULL",
    "[/b]", "[link=x]", "'\"`", "</script>", "a\nb", "*", "[a-z]*", "a::b", "con", "-", "--set",
)  # fmt: skip
NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63), 10**400, 1e308, 1e-320, float("nan"), float("inf"), 0.5, -0.0)
YAML_BITS = (
    "!!python/object/apply:os.system ['true']", "!!python/name:os.system", "!!binary aGk=", "!!int ''", "!!int x",
    "!!float x", "!!bool x", "!!timestamp x", "!!set {a}", "!!omap [a]", "!!pairs [a]", "!!map []", "!!seq {}",
    "!!null x", "!!str [a]", "!x y", "! ", "&a", "*a", "&a [*a]", "&a {k: *a}", "<<: *a", "<<: 3", "<<: [1]", "? ",
    "? [a, b] : c", "? {a: b}\n: c", "{", "}", "[", "]", "{{", ": ", "- ", "|", ">", "|9", "%YAML 9.9\n---\n",
    "%TAG ! x\n", "---\n", "...\n", "#", "'", '"', '"\\ud800"', '"\\x00"', '"\\U0010ffff"', '"\\UFFFFFFFF"', '"\\q"',
    "\t", "\x00", "\ufeff", "\x85", "0x_", "0b", "0o9", "1_000", "1:2:3", "190:20:30.15", "0x" + "f" * 4000, "9" * 5000,
    "2001-13-45", "2001-01-01", "2001-12-14t21:59:43.10-05:00", "2001-01-01 00:00:00 +99:99", "1e999",
    ".nan", ".inf", "-.INF", "~", "yes", "=", "[" * 60, "{a: " * 60, "- " * 60, "@", "`", "a: b: c",
)  # fmt: skip
scalars = st.one_of(
    st.none(), st.booleans(), st.sampled_from(NUMBERS), st.integers(-3, 100), st.sampled_from(BAD_TEXT),
    st.text(max_size=8),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(BAD_TEXT), st.text(max_size=4)), inner, max_size=3),
    ),
    max_leaves=5,
)


@st.composite
def edited(draw: st.DrawFn, sources: Sequence[str], bits: Sequence[str], most: int = 4) -> str:
    """One of the texts with up to `most` changes: a bit put in or over something, lines dropped, doubled, swapped."""
    text = draw(st.sampled_from(sources))
    for _ in range(draw(st.integers(1, most))):
        kind = draw(st.sampled_from(("bit", "over", "value", "drop", "double", "swap", "cut", "text")))
        place = draw(st.integers(0, max(1, len(text))))
        if kind == "bit":
            text = text[:place] + draw(st.sampled_from(bits)) + text[place:]
        elif kind == "over":
            text = text[:place] + draw(st.sampled_from(bits)) + text[place + draw(st.integers(1, 12)) :]
        elif kind == "text":
            text = text[:place] + draw(st.text(max_size=6)) + text[place:]
        elif kind == "cut":
            text = text[:place]
        else:
            text = _lines(draw, text, kind, place, bits)
    return text


def _lines(draw: st.DrawFn, text: str, kind: str, place: int, bits: Sequence[str]) -> str:
    lines = text.split("\n")
    at = place % len(lines)
    if kind == "value":
        key, colon, _ = lines[at].partition(": ")
        lines[at] = key + (colon or ": ") + draw(st.sampled_from(bits))
    elif kind == "drop":
        del lines[at]
    elif kind == "double":
        lines.insert(at, lines[at])
    else:
        other = draw(st.integers(0, len(lines) - 1))
        lines[at], lines[other] = lines[other], lines[at]
    return "\n".join(lines)


@st.composite
def changed(draw: st.DrawFn, source: Any, most: int = 3) -> Any:
    """A JSON value with up to `most` of its parts replaced, dropped or added to."""
    value = copy.deepcopy(source)
    for _ in range(draw(st.integers(1, most))):
        holder, key = _place(draw, value)
        if holder is None:
            return draw(values)
        kind = draw(st.sampled_from(("replace", "replace", "drop", "add")))
        if kind == "replace":
            holder[key] = draw(values)
        elif kind == "drop":
            del holder[key]
        elif isinstance(holder, dict):
            holder[draw(st.one_of(st.sampled_from(BAD_TEXT), st.text(max_size=6)))] = draw(values)
        else:
            holder.insert(key, draw(values))
    return value


def _place(draw: st.DrawFn, value: Any) -> tuple[Any, Any]:
    holder, key = None, None
    while isinstance(value, dict | list) and value and (holder is None or draw(st.integers(0, 3))):
        holder = value
        key = (
            draw(st.sampled_from(sorted(value, key=str)))
            if isinstance(value, dict)
            else draw(st.integers(0, len(value) - 1))
        )
        value = value[key]
    return holder, key


@st.composite
def spoiled(
    draw: st.DrawFn, sources: Sequence[bytes], bits: Sequence[bytes] = (b"\0", b"\xff", b"\n"), most: int = 4
) -> bytes:
    """One of the contents with bytes changed, put in, or cut off."""
    content = bytearray(draw(st.sampled_from(sources)))
    for _ in range(draw(st.integers(1, most))):
        place = draw(st.integers(0, len(content)))
        kind = draw(st.sampled_from(("flip", "put", "cut", "bytes", "drop")))
        if kind == "flip" and place < len(content):
            content[place] ^= draw(st.integers(1, 255))
        elif kind == "put":
            content[place:place] = draw(st.sampled_from(bits))
        elif kind == "bytes":
            content[place:place] = draw(st.binary(max_size=8))
        elif kind == "drop":
            del content[place : place + draw(st.integers(1, 20))]
        elif kind == "cut":
            del content[place:]
    return bytes(content)
