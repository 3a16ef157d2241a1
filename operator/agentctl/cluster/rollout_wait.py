"""`agentctl rollout status`, and waiting for the end of a rollout."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.live import Live

from agentctl.cluster import rollout_progress, tree
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.rollout_progress import Verdict
from agentctl.cluster.snapshot import Object, find
from agentctl.errors import CommandError
from agentctl.ui import output
from agentctl.ui.output import Format, View

INTERVAL = 1.0


def run(kubectl: Kubectl, name: str, view: View, *, watch: bool, timeout: float | None = None) -> int:
    """Show where a rollout stands, once or until it ends, and return the exit status.

    Raises:
        CommandError: it has not ended in time.
    """
    if view is not View.TEXT:
        agent = follow(kubectl, name, timeout) if watch else find(kubectl, name)
        output.write(output.data(_data(agent), Format(view)))
    elif watch:
        agent = _show(kubectl, name, timeout)
    else:
        agent = find(kubectl, name)
        tree.console().print(rollout_progress.draw(agent, datetime.now(UTC)))
    return 1 if rollout_progress.judge(agent) is Verdict.FAILED else 0


def follow(kubectl: Kubectl, name: str, timeout: float | None) -> Object:
    """Return an agent when its rollout has ended, or goes on only when a person says so.

    Raises:
        CommandError: it has not ended in time.
    """
    for agent in looks(kubectl, name, timeout):
        if rollout_progress.judge(agent) is not Verdict.UNDER_WAY:
            return agent
    raise CommandError(f"not within {timeout:g} s: {rollout_progress.sentence(find(kubectl, name))}")


def looks(kubectl: Kubectl, name: str, timeout: float | None) -> Iterator[Object]:
    """Yield an agent again and again; end after so many seconds, None: never."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        yield find(kubectl, name)
        if deadline is not None and time.monotonic() > deadline:
            return
        time.sleep(INTERVAL)


def _show(kubectl: Kubectl, name: str, timeout: float | None) -> Object:
    """Show it anew until it ends: in place on a terminal, elsewhere a line when something has changed."""
    console = tree.console()
    said = ""
    with Live(console=console, auto_refresh=False, transient=not console.is_terminal) as live:
        for agent in looks(kubectl, name, timeout):
            line = rollout_progress.sentence(agent)
            if console.is_terminal:
                live.update(rollout_progress.draw(agent, datetime.now(UTC)), refresh=True)
            elif line != said:
                output.write(f"{line}\n")
            said = line
            if rollout_progress.judge(agent) in (Verdict.COMPLETE, Verdict.FAILED):
                return agent
    raise CommandError(f"not within {timeout:g} s: {said}")


def _data(agent: Object) -> Object:
    status = agent.get("status") or {}
    kept = ("revision", "lastGoodRevision", "ready", "rollout")
    conditions = [it for it in status.get("conditions") or () if it["type"] in ("Ready", "Progressing", "Stalled")]
    found = {key: status[key] for key in kept if key in status}
    return {"verdict": rollout_progress.judge(agent).name.lower()} | found | {"conditions": conditions}
