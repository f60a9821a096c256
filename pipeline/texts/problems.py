"""What can be wrong with a row, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from decant.errors import InputError
from pipeline.texts.settings import Action, ProblemKind

SHOWN_PROBLEMS = 5
COUNTED = "row 1 is the first of the data, not the header"
WORDS: dict[ProblemKind, str] = {
    "encoding": "is not UTF-8",
    "empty": "has an empty text",
    "label": "has a label that cannot be read",
    "label_range": "has a label out of range",
    "duplicate": "repeats an earlier pair",
    "leak": "stands in dev or test too",
}


@dataclass(frozen=True)
class Problem:
    """What is wrong with one row; rows are counted from 1, without the header."""

    kind: ProblemKind
    file: str
    row: int
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.file}, row {self.row} {WORDS[self.kind]}{f' ({self.detail})' if self.detail else ''}"


def refuse(
    problems: Sequence[Problem],
    action: Callable[[ProblemKind], Action],
    said: Callable[[Problem], str] = str,
    unit: str = "rows",
    allowed: str = "",
) -> None:
    """Stop at problems that are not to be dropped, the first few of them named.

    Args:
        action: what happens to a kind of problem.
        said: how one is named.
        unit: what the rest are counted in.
        allowed: what a label may be, said where one is refused.

    Raises:
        InputError: there are such problems.
    """
    refused = [problem for problem in problems if action(problem.kind) == "refuse"]
    if refused:
        shown = "; ".join(said(problem) for problem in refused[:SHOWN_PROBLEMS])
        more = f"; and {len(refused) - SHOWN_PROBLEMS} {unit} more" if len(refused) > SHOWN_PROBLEMS else ""
        kinds = dict.fromkeys(problem.kind for problem in refused)
        rule = f"; {allowed}" if allowed and {"label", "label_range"} & kinds.keys() else ""
        drop = ", ".join(f"{kind}: drop" for kind in kinds)
        raise InputError(f"{shown}{more}. Mend the file, or set texts.problems to {{{drop}}}{rule}; {COUNTED}")
