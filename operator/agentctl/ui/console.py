"""The console and the table style that all commands share."""

import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from agent_runtime.config.terminal import printable
from agentctl.ui import output

# Without a terminal and without COLUMNS, lines are not wrapped, so that grep and cut see one line per row.
UNLIMITED = 100_000
HEADER_SPACING = (0, 3, 0, 0)
PLAIN_SPACING = (0, 2, 0, 0)


class SafeConsole(Console):
    """Replaces control characters in text. The sequences of rich itself, such as colours, are not in the text."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print. In a pipe, rows have no trailing spaces, which pad the last column of a table."""
        if self.is_terminal:
            super().print(*objects, **options)
            return
        with self.capture() as captured:
            super().print(*objects, **options)
        text = "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
        if self.stderr:
            sys.stderr.write(text)
        else:
            output.write(text)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the parts of a renderable."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


def console(*, stderr: bool = False) -> SafeConsole:
    """Return a console on standard output or standard error.

    rich detects the terminal, its width and NO_COLOR. In a pipe, the width is COLUMNS, or unlimited without it.
    """
    found = SafeConsole(stderr=stderr, highlight=False, markup=False)
    if found.is_terminal:
        return found
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isascii() and columns.isdecimal() and int(columns) else UNLIMITED
    return SafeConsole(stderr=stderr, highlight=False, markup=False, width=width)


def stdout_console() -> SafeConsole:
    """Return a console on standard output."""
    return console()


def table(*columns: str) -> Table:
    """Return an empty table in the style of kubectl; without columns it has no header."""
    spacing = HEADER_SPACING if columns else PLAIN_SPACING
    empty = Table(box=None, pad_edge=False, show_header=bool(columns), padding=spacing, header_style="")
    for column in columns:
        empty.add_column(column, overflow="fold")
    return empty
