"""Progress of long work: a spinner on a terminal, one line for each change elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agentctl.ui import output


@contextmanager
def shown(text: str) -> Iterator[Callable[[str], None]]:
    """Show that work is in progress, on standard error; yields a function that changes the text."""
    if not sys.stderr.isatty():
        yield _lines(text)
        return
    from rich.markup import escape  # noqa: PLC0415 - most commands show no progress

    from agentctl.ui.console import console  # noqa: PLC0415 - as above

    with console(stderr=True).status(escape(text)) as status:
        yield lambda changed: status.update(escape(changed))


def _lines(text: str) -> Callable[[str], None]:
    last = [text]
    output.note(text)

    def change(changed: str) -> None:
        if changed != last[0]:
            last[0] = changed
            output.note(changed)

    return change
