"""What PyYAML says of a text that is no YAML → what is wrong with it and what to write, in plain words."""

from __future__ import annotations

import re

import yaml

SHOWN = 70  # characters of a line
SECTION = re.compile(r"[^:]*:(\s|$)")  # a line that has a key
TEXT_IN_QUOTES = "put a text that begins with it in quotes"
SPACES = "indent with spaces, not with tabs"
LEVEL = (
    "give all keys of one section the same number of spaces before them, and those below a key more than the key has"
)
UNCLOSED_QUOTE = "a quote is opened here and never closed; write the same quote at the end of the text"
OPENED = ("a quote", "a bracket", "a key without")  # told where they begin
UNCLOSED = "is opened here and never closed, or a comma is missing in it; close it, and put a comma between values"


def yaml_problem(error: yaml.MarkedYAMLError, text: str) -> tuple[str, int | None]:
    """What is wrong, one clause with the line as it is written, and that line's number from 1; None: no one line."""
    lines = text.splitlines()
    begun = error.context_mark.line if error.context_mark is not None else None
    at = error.problem_mark.line if error.problem_mark is not None else begun
    problem = error.problem or error.context or type(error).__name__
    said = _said(problem, error.context or "", lines, at or 0, error.problem_mark.column if error.problem_mark else 0)
    if said.startswith(OPENED) and begun is not None:
        at = begun
    if at is None:
        return said, None
    at = min(at, max(0, len(lines) - 1))
    while at and not lines[at].strip():  # the end of the file: the last line that says anything
        at -= 1
    written = lines[at].strip("\n") if lines else ""
    shown = f"; the line is {written[:SHOWN]!r}{'…' if len(written) > SHOWN else ''}" if written.strip() else ""
    return said + shown, at + 1


def _said(problem: str, context: str, lines: list[str], at: int, column: int) -> str:
    here = lines[at] if at < len(lines) else ""
    for beginning, said in (
        ("found unexpected end of stream", UNCLOSED_QUOTE),
        ("found unknown escape character", "a backslash in double quotes; write it twice, or take single quotes"),
        ("found undefined alias", f"* stands for an alias in YAML; {TEXT_IN_QUOTES}"),
        ("found undefined tag", f"! stands for a tag in YAML; {TEXT_IN_QUOTES}"),
        ("but found another document", "--- begins a second document; a recipe is one"),
        ("expected alphabetic or numeric character", f"& and * stand for aliases in YAML; {TEXT_IN_QUOTES}"),
        ("could not find expected ':'", "a key without a colon; write key: value, with a space behind the colon"),
    ):
        if problem.startswith(beginning):
            return said
    if "\t" in here[: len(here) - len(here.lstrip())] or "'\\t'" in problem:
        return f"a tab; {SPACES}"
    if "cannot start any token" in problem:
        sign = problem.split("'")[1]
        return f"{sign} has a meaning of its own in YAML; {TEXT_IN_QUOTES}"
    if problem == "mapping values are not allowed here":
        return _second_key(lines, at, column)
    if "flow sequence" in context or "flow mapping" in context:
        return f"a bracket {'[' if 'sequence' in context else '{'} {UNCLOSED}"
    if "<stream end>" in problem:
        return "the text ends inside a bracket; close each [ and {"
    if problem.startswith("could not determine a constructor"):
        return f"{problem}: ! stands for a tag in YAML; {TEXT_IN_QUOTES}"
    if "found '<scalar>'" in problem:
        return "text behind a closed quote, or a key in the line of another; put the whole text in one pair of quotes"
    if re.search(r"found '[\]},]'", problem):
        return f"{problem.split(chr(39))[-2]} closes what was not opened; take it out, or put the text in quotes"
    if "block" in context or "block" in problem:
        return f"wrong indentation: this line stands further left or right than its neighbours; {LEVEL}"
    return problem


def _second_key(lines: list[str], at: int, column: int) -> str:
    """A colon where no key can stand: the second of its line, or of a line below one that has its value already."""
    before = lines[at][:column] if at < len(lines) else ""
    if SECTION.match(before):
        return "two colons in one line: a key has one value; put a text with ': ' in quotes, or give each key a line"
    above = next((line for line in reversed(lines[:at]) if line.strip() and not line.strip().startswith("#")), "")
    if SECTION.match(above):
        return f"wrong indentation: this line stands below a key that has its value already; {LEVEL}"
    return (
        f"the line above it, {above.strip()[:SHOWN]!r}, is no key: write key: value, with a colon and a space behind it"
    )
