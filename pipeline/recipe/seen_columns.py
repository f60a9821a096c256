"""What each column of a file holds: how many cells, words and numbers, and which values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.texts.columns import column_names
from pipeline.texts.numbers import parse_number, whole_name
from pipeline.texts.sentences import SentenceSource
from pipeline.texts.source import row_parts

MOST_ROWS = 200_000  # that are looked at
MOST_CLASSES = 20


@dataclass
class Column:
    """What is noted of a column's cells."""

    name: str
    filled: int = 0
    empty: int = 0
    characters: int = 0
    spaced: int = 0
    """Cells of several words."""
    numbers: int = 0
    whole: int = 0
    values: set[str] = field(default_factory=set)

    def add(self, cell: str | None) -> None:
        """Note one more cell."""
        text = (cell or "").strip()
        if not text:
            self.empty += 1
            return
        self.filled += 1
        self.characters += len(text)
        self.spaced += " " in text
        self.numbers += parse_number(text) is not None
        self.whole += whole_name(text) is not None
        self.values.add(text)

    @property
    def is_number(self) -> bool:
        """Whether every cell that says anything says a number."""
        return bool(self.filled) and self.numbers == self.filled

    @property
    def is_whole(self) -> bool:
        """Whether all of them are whole."""
        return bool(self.filled) and self.whole == self.filled

    @property
    def is_name(self) -> bool:
        """Whether the cells are the names of a few classes, each standing there more than once."""
        return 2 <= len(self.values) <= MOST_CLASSES and self.filled >= 2 * len(self.values)


def look_at(path: Path) -> list[Column]:
    """What each column of a file holds.

    Raises:
        InputError: it cannot be read.
    """
    names = column_names(path)
    columns = [Column(name) for name in names]
    parts, _ = row_parts(SentenceSource(path=str(path.resolve())), Path(), tuple(names))
    seen = 0
    for part in parts:
        for column in columns:
            for row in part:
                column.add(row[column.name])
        seen += len(part)
        if seen >= MOST_ROWS:
            break
    return columns
