"""`agentctl rollout status`, and waiting for the end of a rollout."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.live import Live

from agentctl.cluster import rollout_progress
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.rollout_progress import Verdict
from agentctl.cluster.snapshot import get_agent
from agentctl.errors import CommandError
from agentctl.formats import Format, View
from agentctl.objects import Object, nested_field
from agentctl.ui import output
from agentctl.ui.console import stdout_console

INTERVAL = 1.0


def show_status(kubectl: Kubectl, name: str, view: View, *, watch: bool, timeout: float | None = None) -> int:
    """Show the state of a rollout, once or until it ends, and return the exit status.

    Raises:
        CommandError: the rollout did not end within the timeout, in seconds.
    """
    if view is not View.TEXT:
        agent = wait_for_end(kubectl, name, timeout) if watch else get_agent(kubectl, name)
        output.write(output.data_text(rollout_progress.data(agent), Format(view)))
    elif watch:
        agent = _watch(kubectl, name, timeout)
    else:
        agent = get_agent(kubectl, name)
        stdout_console().print(rollout_progress.draw(agent, datetime.now(UTC)))
    return 1 if rollout_progress.verdict(agent) is Verdict.FAILED else 0


def wait_for_end(kubectl: Kubectl, name: str, timeout: float | None) -> Object:
    """Return an agent when its rollout has ended, or waits for a user.

    Raises:
        CommandError: the rollout did not end within the timeout, in seconds.
    """
    for agent in _poll(kubectl, name, timeout):
        if rollout_progress.verdict(agent) is not Verdict.UNDER_WAY:
            return agent
    raise _timeout_error(get_agent(kubectl, name), timeout)


def _poll(kubectl: Kubectl, name: str, timeout: float | None) -> Iterator[Object]:
    """Yield the agent once per interval, until the timeout; None means no timeout."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        yield get_agent(kubectl, name)
        if deadline is not None and time.monotonic() > deadline:
            return
        time.sleep(INTERVAL)


def _watch(kubectl: Kubectl, name: str, timeout: float | None) -> Object:
    """Show a rollout until it ends: a table that is redrawn on a terminal, elsewhere a line for each change."""
    console = stdout_console()
    last = ""
    with Live(console=console, auto_refresh=False, transient=not console.is_terminal) as live:
        for agent in _poll(kubectl, name, timeout):
            line = rollout_progress.summary(agent)
            if console.is_terminal:
                live.update(rollout_progress.draw(agent, datetime.now(UTC)), refresh=True)
            elif line != last:
                output.write(f"{line}\n")
            last = line
            if rollout_progress.verdict(agent) in (Verdict.COMPLETE, Verdict.FAILED):
                return agent
    raise _timeout_error(agent, timeout)


def _timeout_error(agent: Object, timeout: float | None) -> CommandError:
    meta = agent["metadata"]
    suspended = nested_field(agent, "spec", "suspend")
    continues = rollout_progress.verdict(agent) is Verdict.UNDER_WAY and not suspended
    return CommandError(
        f"the rollout did not end within {timeout:g} s{' and continues' if continues else ''}: "
        f"{rollout_progress.summary(agent)}: run `agentctl rollout status {meta['name']} --namespace "
        f"{meta['namespace']} --watch`, or set a longer --timeout"
    )
