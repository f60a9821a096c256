"""Rows of a table by the thousand: how many bytes hold nothing that is new of its quoting.

Comparing bytes all at once is several times as fast as any walk from cell to cell.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

QUOTE, LINE_FEED, RETURN = ord('"'), ord("\n"), ord("\r")


class Run(NamedTuple):
    """So many bytes from the beginning, and the rows in them."""

    bytes: int
    rows: int


NONE = Run(0, 0)


def csv_run(lines: bytes, separator: bytes, width: int) -> Run:
    """Whole rows that are CSV as RFC 4180 has it; none where something in the lines is not, or rows differ in width.

    Args:
        lines: from the beginning of a row to the end of a line.
        separator: one byte.
        width: cells of every row; one that has more of them could make up for one that has fewer.
    """
    codes = np.frombuffer(lines, np.uint8)
    quotes, separators, line_ends = (np.flatnonzero(codes == one) for one in (QUOTE, ord(separator), LINE_FEED))
    opening, closing = quotes[::2], quotes[1::2]  # of two side by side inside a cell, the first closes it for nothing
    beside = np.zeros(256, bool)
    beside[[QUOTE, ord(separator), LINE_FEED, RETURN]] = True
    before, behind = codes[opening[opening > 0] - 1], codes[closing[closing < len(codes) - 1] + 1]
    if not (_plain_line_ends(codes) and beside[before].all() and beside[behind].all()):
        return NONE
    row_ends, outside = (one[np.searchsorted(quotes, one) % 2 == 0] for one in (line_ends, separators))
    end = int(row_ends[-1]) + 1 if len(row_ends) else 0
    return Run(end, len(row_ends)) if np.searchsorted(outside, end) == len(row_ends) * (width - 1) else NONE


def line_run(lines: bytes, separator: bytes, width: int) -> Run:
    """The lines, if each is as wide as said and no two quotes stand side by side; else none.

    Args:
        lines: to the end of one.
        separator: one byte.
        width: cells of every line; one that has more of them could make up for one that has fewer.
    """
    codes = np.frombuffer(lines, np.uint8)
    quotes, rows = codes == QUOTE, np.count_nonzero(codes == LINE_FEED)
    doubled = bool(np.any(quotes[1:] & quotes[:-1]))
    if doubled or not _plain_line_ends(codes) or np.count_nonzero(codes == ord(separator)) != rows * (width - 1):
        return NONE
    return Run(len(lines), int(rows))


def _plain_line_ends(codes: NDArray[np.uint8]) -> bool:
    """Whether no return ends a line by itself."""
    returns = np.flatnonzero(codes[:-1] == RETURN)
    return bool(np.all(codes[returns + 1] == LINE_FEED)) and (not len(codes) or codes[-1] != RETURN)
