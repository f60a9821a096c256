"""Every error that Decant raises on purpose.

DecantError
├── InputError   what the user gave cannot be used: recipe, data, model, option   (exit code 2)
└── GateError    a result is worse than its gate allows                           (exit code 3)

Anything else that reaches the command line is a defect (exit code 1).
"""

from __future__ import annotations

MESSAGE_CHARACTERS = 300


def one_line(said: object) -> str:
    """What another library says of its error, in one line of at most 300 characters; an error of no words is named."""
    return " ".join(str(said).split())[:MESSAGE_CHARACTERS] or type(said).__name__


class DecantError(Exception):
    """Root of the tree; its text is one line for the user."""


class InputError(DecantError, ValueError):
    """What was given cannot be used; the text names it, what is allowed, and what to do."""


class GateError(DecantError):
    """A measured figure misses its gate; the text names the figure, the limit and the worst case."""
