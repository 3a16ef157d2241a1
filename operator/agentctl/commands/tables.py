"""The cells of tables, and tables that follow changes."""

from collections.abc import Iterable, Sequence

from rich.text import Text

from agentctl.cluster.states import DisplayState

Cells = Sequence[str | DisplayState]


def texts(cells: Cells) -> list[Text]:
    """Return the cells of a row with their colours."""
    return [Text(cell.text, cell.colour) if isinstance(cell, DisplayState) else Text(cell) for cell in cells]


def all_texts(rows: Iterable[Cells]) -> list[list[Text]]:
    """Return the cells of rows with their colours."""
    return [texts(cells) for cells in rows]
