"""The console that tables and lines are shown on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from decant.errors import visible

LAYOUT = "\n\t"


def text_console(**options: Any) -> Console:
    """A console that shows texts as they are.

    Names and messages may hold rich's own markup, such as [b] or :x:, and what steers a terminal.

    Args:
        options: of rich's Console.
    """
    return _TextConsole(markup=False, emoji=False, **options)


class _TextConsole(Console):
    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text, LAYOUT), style, control)
