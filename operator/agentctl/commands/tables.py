"""The cells of tables, and tables that follow changes."""

from collections.abc import Iterable, Sequence

from rich.text import Text

from agentctl.cluster.states import DisplayState
from agentctl.ui import output
from agentctl.ui.console import SafeConsole

Cells = Sequence[str | DisplayState]


def texts(cells: Cells) -> list[Text]:
    """Return the cells of a row with their colours."""
    return [Text(cell.text, cell.colour) if isinstance(cell, DisplayState) else Text(cell) for cell in cells]


def all_texts(rows: Iterable[Cells]) -> list[list[Text]]:
    """Return the cells of rows with their colours."""
    return [texts(cells) for cells in rows]


def print_line(console: SafeConsole, text: Text) -> bool:
    """Print one line, and return False if the reader of the pipe, such as head, has closed it."""
    if console.is_terminal:
        console.print(text, soft_wrap=True)
        return True
    return output.write(f"{text.plain}\n")
