"""The console and the table style that all commands share."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from agent_runtime.config.terminal import printable

# Without a terminal there is no width to wrap at. The default of 80 columns would cut names.
WIDTH = 160
HEADER_SPACING = (0, 3, 0, 0)
PLAIN_SPACING = (0, 2, 0, 0)


class SafeConsole(Console):
    """Replaces control characters in text. The sequences of rich itself, such as colours, are not in the text."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the parts of a renderable."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


def stdout_console() -> Console:
    """Return a console on standard output. rich detects the terminal and NO_COLOR."""
    console = SafeConsole(highlight=False, markup=False)
    return console if console.is_terminal else SafeConsole(highlight=False, markup=False, width=WIDTH)


def table(*columns: str) -> Table:
    """Return an empty table in the style of kubectl; without columns it has no header."""
    spacing = HEADER_SPACING if columns else PLAIN_SPACING
    empty = Table(box=None, pad_edge=False, show_header=bool(columns), padding=spacing, header_style="")
    for column in columns:
        empty.add_column(column, overflow="fold")
    return empty
