"""Every error that Decant raises on purpose, and the exit code that it gives the command line.

DecantError
├── InputError   what the user gave cannot be used: recipe, data, model, option   (exit code 2)
│   └── TemporaryError   it may pass by itself: network, memory, a full disk, busy   (exit code 75)
├── GateError    a result is worse than its gate allows                           (exit code 3)
└── RankError    a process of a training in several died                          (exit code 1)

Anything else that reaches the command line is a defect (exit code 1).
"""

from __future__ import annotations

import unicodedata

from decant.secrets import redacted

DONE, DEFECT, BAD_INPUT, GATE_FAILED, TEMPORARY, INTERRUPTED = 0, 1, 2, 3, 75, 130  # 75: EX_TEMPFAIL of sysexits.h
MESSAGE_CHARACTERS = 300
LINE_CHARACTERS = 2000
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # categories that a terminal obeys, or does not show


def one_line(said: object) -> str:
    """What another library says of its error, in one line of at most 300 characters; an error of no words is named."""
    return " ".join(str(said).split())[:MESSAGE_CHARACTERS] or type(said).__name__


def visible(text: str, kept: str = "") -> str:
    """The text with every character that a terminal obeys or does not show as an escape, but for those of `kept`."""
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in UNSEEN and char not in kept else char
        for char in text
    )


def shown(text: str) -> str:
    """A text as one line of at most 2,000 characters, without secrets, that a terminal neither obeys nor hides."""
    seen = visible(redacted(text)[: LINE_CHARACTERS + 1])
    return seen if len(seen) <= LINE_CHARACTERS else f"{seen[: LINE_CHARACTERS - 1]}…"


class DecantError(Exception):
    """Root of the tree; its text is one line for the user, or one for each of several errors.

    What it quotes comes from files and arguments, so every line is made harmless here.
    """

    exit_code = DEFECT
    keeps_work = False
    """Whether what a stage has half done is kept, since the same command may go on from it."""

    def __init__(self, *lines: object) -> None:
        super().__init__("\n".join(shown(str(line)) for line in lines))


class InputError(DecantError, ValueError):
    """What was given cannot be used; the text names it, what is allowed, and what to do."""

    exit_code = BAD_INPUT


class TemporaryError(InputError):
    """What was given cannot be used now, for a cause that may pass by itself; the same may go well another time."""

    exit_code = TEMPORARY
    keeps_work = True


class GateError(DecantError):
    """A measured figure misses its gate; the text names the figure, the limit and the worst case."""

    exit_code = GATE_FAILED


class RankError(DecantError):
    """One of a training's processes ended too early; the text names it, how it ended, and what to do."""

    keeps_work = True
