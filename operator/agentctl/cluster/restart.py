"""Restarts an agent: replaces its pods by a rolling update that the operator performs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from agent_operator.api import constants
from agent_operator.rollout.commands import SEPARATOR, Command
from agentctl.cluster import rollout_commands, rollout_progress
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.pods import list_pods, pod_is_ready
from agentctl.cluster.snapshot import get_agent
from agentctl.errors import CommandError
from agentctl.formats import View
from agentctl.objects import Object, nested_field
from agentctl.ui import progress

INTERVAL = 1.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What to wait for.

    Attributes:
        timeout: seconds.
        executed: wait until the operator has executed the command.
        replaced: wait until all pods are replaced.
    """

    timeout: float
    executed: bool = True
    replaced: bool = False


def run(kubectl: Kubectl, name: str, waiting: Waiting, view: View) -> None:
    """Restart an agent and print the result.

    Raises:
        CommandError: the operator refused, or the timeout passed.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    command = f"{Command.RESTART}{SEPARATOR}{started}"
    if not waiting.executed:
        rollout_commands.run(kubectl, name, command, None, view)
        return
    if not waiting.replaced:
        agent = rollout_commands.execute(kubectl, name, command, waiting.timeout)
        text = f"{name}: the restart has begun, and the operator replaces the pods; --wait waits until it has ended"
        rollout_commands.show(agent, command, text, view, executed=True)
        return
    with progress.shown(f"restarting {name}") as describe:
        agent = rollout_commands.execute(kubectl, name, command, waiting.timeout)
        agent = _wait_until_replaced(kubectl, agent, started, waiting.timeout, describe)
    rollout_commands.show(agent, command, rollout_progress.summary(agent), view, executed=True)


def _wait_until_replaced(
    kubectl: Kubectl, agent: Object, started: str, timeout: float, describe: Callable[[str], None]
) -> Object:
    name = str(nested_field(agent, "metadata", "name"))
    deadline = time.monotonic() + timeout
    while True:
        agent = get_agent(kubectl, name)
        pods = list_pods(kubectl, agent)
        replaced = sum(is_replaced(pod, started) for pod in pods)
        state = f"{replaced} of {len(pods)} pods are replaced and ready"
        describe(f"{name}: {state}")
        if replaced == len(pods) and (replaced or nested_field(agent, "spec", "replicas") == 0):
            return agent
        if time.monotonic() > deadline:
            raise CommandError(
                f"{name}: {state} after {timeout:g} s, and the restart continues: run `agentctl status {name}` to see "
                "why, or set a longer --timeout"
            )
        time.sleep(INTERVAL)


def is_replaced(pod: Object, started: str) -> bool:
    """Return whether a pod was created by a restart, or a later one, and is ready."""
    value = str((nested_field(pod, "metadata", "annotations") or {}).get(constants.ANNOTATION_RESTARTED_AT))
    try:
        restarted = datetime.fromisoformat(value)
    except ValueError:
        return False
    # A time without an offset is in UTC.
    aware = restarted if restarted.tzinfo else restarted.replace(tzinfo=UTC)
    return aware >= datetime.fromisoformat(started) and pod_is_ready(pod)
