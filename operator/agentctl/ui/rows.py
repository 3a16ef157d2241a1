"""Tables that grow: rows as a whole, and later rows one by one in the same columns."""

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from agentctl.ui.console import table

_SPACING = "   "


def drawn(header: Sequence[str], rows: Iterable[Sequence[Text]]) -> Table:
    """Return a table."""
    found = table(*header)
    for row in rows:
        found.add_row(*row)
    return found


class Columns:
    """The widths of the columns of rows that are printed one by one."""

    def __init__(self, header: Sequence[str], rows: Iterable[Sequence[Text]]) -> None:
        self._widths = [len(title) for title in header]
        for row in rows:
            self._fit(row)

    def line(self, row: Sequence[Text]) -> Text:
        """Return one row. A cell that is wider than its column widens it for the rows that follow."""
        self._fit(row)
        text = Text()
        for cell, width in zip(row, self._widths, strict=True):
            text.append_text(cell).append(" " * (width - cell.cell_len)).append(_SPACING)
        text.rstrip()
        return text

    def _fit(self, row: Sequence[Text]) -> None:
        self._widths = [max(width, cell.cell_len) for width, cell in zip(self._widths, row, strict=True)]
