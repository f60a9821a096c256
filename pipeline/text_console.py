"""The console that tables and lines are shown on."""

from __future__ import annotations

from typing import Any

from rich.console import Console


def text_console(**options: Any) -> Console:
    """A console that shows texts as they are: names and messages may hold rich's own markup, such as [b] or :x:.

    Args:
        options: of rich's Console.
    """
    return Console(markup=False, emoji=False, **options)
