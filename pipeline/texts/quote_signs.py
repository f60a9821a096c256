"""What speaks for CSV's quoting in a table, and what against it: one pass over its bytes, which keeps none of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import BinaryIO, Literal

from pipeline.texts.quote_runs import NONE, Run, csv_run, line_run

Sign = Literal["quoted", "csv", "stray", "broken", "unclosed", "lines"]

READ_BYTES = 1 << 17
INSIDE = re.compile(rb'[^"]*+(?:""[^"]*+)*+')  # of a quoted cell, up to what closes it
LINE = re.compile(rb"[^\r\n]*+(?:\r\n|\r|\n|\Z)")


def quote_signs(file: BinaryIO, separator: str, against: AbstractSet[Sign]) -> dict[Sign, int]:
    """The row in which each sign is first met: 0 is the header, 1 the first row below it.

    - quoted: a cell begins with a quote.
    - csv: only CSV's quoting writes this.
    - stray: a quote inside a cell that begins without one.
    - broken: text behind a closing quote; reading goes on with the next line.
    - unclosed: a quote that none closes.
    - lines: a row is as wide as the header only if its quotes enclose nothing.

    Args:
        file: a table in any encoding that has ASCII's bytes for ASCII alone, behind a byte-order mark if it has one.
        separator: of its cells, one character of ASCII.
        against: signs of which one is enough to look no further for others than csv.
    """
    reader = _Reader(separator.encode(), against)
    for block in _whole_lines(file):
        reader.take(block)
    return reader.signs_at_end()


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """The bytes in parts that end where a line ends."""
    rest = b""
    while part := file.read(max(READ_BYTES, len(rest))):  # as much again, so that a line of any length is read in time
        part = rest + part
        end = max(part.rfind(b"\n"), part.rfind(b"\r", 0, -1)) + 1  # a return at the end may be half of a line end
        if end:
            yield part[:end]
        rest = part[end:]
    if rest:
        yield rest


class _Reader:
    """Where in a table reading stands. Lines that can hold no new sign are passed over many at a time."""

    def __init__(self, separator: bytes, against: AbstractSet[Sign]) -> None:
        self.signs: dict[Sign, int] = {}
        self.against = against
        self.separator, self.ends = separator, separator + b"\r\n"
        self.begins = re.compile(rb'(?<![^%b])"' % self.ends)
        self.cell_end = re.compile(rb"[%b]|\Z" % self.ends)
        self.lines_width = self.width = 0  # cells of the header, taken as a line and as CSV's
        self.row = -1
        self.cells, self.lines = 1, 1  # of the row so far
        self.lines_fit = True  # whether each line of the row so far is as wide as the header
        self.spans = False  # whether a quoted cell of the row holds a separator or a line end
        self.inside = False  # a quoted cell
        self.doubled = False  # whether that cell holds a quote written twice

    def take(self, block: bytes) -> None:
        """Go on with some lines."""
        at, passed = 0, False
        while at < len(block):
            if not passed and (not self.inside or self.signs.keys() & self.against):
                passed = True
                run = self._run(block[at:])
                at, self.row = at + run.bytes, self.row + run.rows
            if at < len(block):
                line = LINE.match(block, at)
                assert line is not None
                self._take_line(line[0])
                at = line.end()

    def signs_at_end(self) -> dict[Sign, int]:
        """What was met, once there are no more lines."""
        if self.inside:
            self._met("unclosed")
        return self.signs

    def _met(self, sign: Sign) -> None:
        self.signs.setdefault(sign, self.row)

    def _run(self, lines: bytes) -> Run:
        """What can be passed over: CSV where it is met already, and rows that are lines where it is broken already."""
        if self.signs.keys() & self.against:
            run = line_run(lines, self.separator, self.lines_width)
            self.inside &= not run.bytes
            return run
        return csv_run(lines, self.separator, self.width) if "csv" in self.signs else NONE

    def _fits(self, line: bytes) -> bool:
        return line.count(self.separator) + 1 == self.lines_width

    def _take_line(self, line: bytes) -> None:
        blank = line.isspace() and self.separator not in line  # which is no row
        if self.inside:
            self.lines += not blank
            self.lines_fit &= blank or self._fits(line)
            self._walk(line)
        elif not blank:
            self.row += 1
            self._begin(line)

    def _begin(self, line: bytes) -> None:
        """Take a row's first line."""
        if not self.row:
            self.lines_width = line.count(self.separator) + 1
            self.width = self.lines_width
        if self.begins.search(line) is not None:
            self._met("quoted")
            self.cells, self.lines, self.spans, self.lines_fit = 1, 1, False, self._fits(line)
            self._walk(line)
        elif b'"' in line:
            self._met("stray")

    def _walk(self, line: bytes) -> None:
        """Cell by cell to the end of the line or, where that comes first, of the row."""
        at = self._through(line, 0)
        while at is not None and line.startswith(self.separator, at):
            self.cells += 1
            at = self._through(line, at + 1)
        if at is not None:
            self._end_row()

    def _through(self, line: bytes, at: int) -> int | None:
        """Behind a cell; None where it does not end on this line, or text stands behind its closing quote."""
        if not self.inside and not line.startswith(b'"', at):
            found = self.cell_end.search(line, at)
            assert found is not None
            if b'"' in line[at : found.start()]:
                self._met("stray")
            return found.start()
        if not self.inside:
            self.doubled = False
            at += 1
        return self._close(line, at)

    def _close(self, line: bytes, at: int) -> int | None:
        """Behind a quoted cell, from inside of it; None as in `_through`."""
        found = INSIDE.match(line, at)
        assert found is not None
        text, end = found[0], found.end()
        self.inside = end == len(line)
        self.doubled |= b'""' in text
        self.spans |= self.inside or self.separator in text
        if self.inside:
            return None
        if line[end + 1 : end + 2] not in self.ends:  # nothing, at the end of the file, is in any bytes
            self._met("broken")
            self.row += self.lines - 1  # they were rows, then
            return None
        if self.doubled:
            self._met("csv")
        return end + 1

    def _end_row(self) -> None:
        """Of a row that was walked through."""
        if not self.row:
            self.width = self.cells
            self._met("csv")
        elif self.spans and (self.cells == self.width) != self.lines_fit:
            self._met("lines" if self.lines_fit else "csv")
