"""Each sign has the row where it is first met, however much is passed over at once."""

import io
import random

import pytest

from pipeline.texts import quote_signs as module
from pipeline.texts.quote_runs import NONE, Run, csv_run, line_run
from pipeline.texts.quote_signs import Sign, quote_signs

PLAIN = "a\tb\nc\td\n"


def signs_of(content: str, against: frozenset[Sign] = frozenset()) -> dict[Sign, int]:
    return quote_signs(io.BytesIO(content.encode()), "\t", against)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("", {}),
        ('x\t5" disk\n', {"stray": 2}),
        ('"x"\ty', {"quoted": 2}),
        ('\n  \n"x"\ty\n', {"quoted": 2}),
        ('"x ""y"""\tz\n', {"quoted": 2, "csv": 2}),
        ('""\tx\n', {"quoted": 2}),
        ('"x\ty"\tz\n', {"quoted": 2, "csv": 2}),
        ('"x\n\ny"\tz\n', {"quoted": 2, "csv": 2}),
        ('"x\ty"\n', {"quoted": 2, "lines": 2}),
        ('"x\ty\nz"\tu\n', {"quoted": 2}),
        ('"x" y\tz\nu\t"v"w\n', {"quoted": 2, "broken": 2}),
        ('u\tv\n"x\ty\nz\t', {"quoted": 3, "unclosed": 3}),
        ('"x"\ty "z"\nu\tv\n"x" y\tz\n', {"quoted": 2, "stray": 2, "broken": 4}),
    ],
)
def test_signs(rows: str, expected: dict[Sign, int]) -> None:
    for ends in ("\n", "\r\n", "\r"):
        assert signs_of((PLAIN + rows).replace("\n", ends)) == expected


def test_a_header_in_quotes_is_csvs_and_its_width_counts() -> None:
    assert signs_of('"a\tb"\tc\n"x\ty"\tz\n"x"\ty\tz\n') == {"quoted": 0, "csv": 0}
    assert signs_of('"a" b\tc\nx\ty\n') == {"quoted": 0, "broken": 0}


@pytest.mark.parametrize("letters", ['"a\t', '"a\t\n', '"a', 'a\t\n"\r'])
def test_passing_over_many_rows_finds_what_walking_finds(letters: str, monkeypatch: pytest.MonkeyPatch) -> None:
    draw, passed = random.Random(0), 0
    for number in range(300):
        cells = ["".join(draw.choices(letters, k=draw.randint(0, 4))) for _ in range(3 * draw.randint(1, 8))]
        as_csv = bool(number % 2)
        if as_csv:
            cells = ['"' + cell.replace('"', '""') + '"' if set(cell) - {"a"} else cell for cell in cells]
        rows = ["\t".join(cells[start : start + 3]) for start in range(0, len(cells), 3)]
        content = 'a\tb\tc\nx\t"y ""z"""\tz\n' + "".join(f"{row}\n" for row in rows)
        monkeypatch.setattr(module, "READ_BYTES", draw.choice([1, 8, 1 << 17]))
        found = signs_of(content)
        with monkeypatch.context() as patched:
            patched.setattr(module, "csv_run", lambda *given: NONE)
            walked = signs_of(content)
        assert found.keys() == walked.keys(), content
        if as_csv:
            assert found == walked, content
        passed += csv_run(content.encode(), b"\t", 3) != NONE
    assert passed > 10


def test_runs() -> None:
    assert csv_run(b'a,b\n"c\n,d",e\n"f', b",", 2) == Run(13, 2)
    assert csv_run(b'a,b\r\n"c",""""\r\n', b",", 2) == Run(15, 2)
    for broken in (b'a,b "c"\n', b'"a" b,c\n', b"a,b,c\n", b'a,"b"\n"c",d,e\n', b"a,b\rc,d\n"):
        assert csv_run(broken, b",", 2) == NONE
    assert line_run(b'a,"b\nc"d,e\n', b",", 2) == Run(11, 2)
    for other in (b'a,"b""c"\n', b"a\n", b"a,b,c\n", b"a,b\rc,d\n"):
        assert line_run(other, b",", 2) == NONE


def test_once_csv_is_broken_rows_that_are_lines_are_passed_over_and_csvs_signs_still_met(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "READ_BYTES", 64)
    broken = 'a\tb\n"x" y\tz\n' + 'u\t"v\n' * 100
    assert signs_of(broken, frozenset(("broken",))) == {"quoted": 1, "broken": 1}
    assert signs_of(broken + '"c ""d"""\te\n', frozenset(("broken",)))["csv"] == 102
    assert signs_of(broken + '"c\nd"\te\n', frozenset(("broken",)))["csv"] == 102
