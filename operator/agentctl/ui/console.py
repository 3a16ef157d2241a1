"""The console and the table style that all commands share."""

from rich.console import Console
from rich.table import Table

# Without a terminal there is no width to wrap at. The default of 80 columns would cut names.
WIDTH = 160
HEADER_SPACING = (0, 3, 0, 0)
PLAIN_SPACING = (0, 2, 0, 0)


def stdout_console() -> Console:
    """Return a console on standard output. rich detects the terminal and NO_COLOR."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH)


def table(*columns: str) -> Table:
    """Return an empty table in the style of kubectl; without columns it has no header."""
    spacing = HEADER_SPACING if columns else PLAIN_SPACING
    empty = Table(box=None, pad_edge=False, show_header=bool(columns), padding=spacing, header_style="")
    for column in columns:
        empty.add_column(column, overflow="fold")
    return empty
