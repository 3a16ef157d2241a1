"""Checks that optional distributions are installed."""

from importlib.util import find_spec

from agentctl.errors import CommandError


def require_localkube() -> None:
    """Check that localkube is installed.

    Raises:
        CommandError: it is not installed; the message has the command that installs it.
    """
    if find_spec("localkube") is None:
        raise CommandError("localkube is not installed: run pip install 'agent-operator[demo]'")
