"""Rollout commands: sets the annotation, and waits until the operator has executed the command."""

import time

from agent_operator.api import constants
from agent_operator.api.reasons import Reason
from agent_operator.rollout.commands import SEPARATOR, Command
from agentctl.cluster import history, rollout_progress
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.snapshot import RESOURCE, get_agent
from agentctl.errors import CommandError
from agentctl.formats import Format, View
from agentctl.objects import Object, nested_field
from agentctl.ui import output

INTERVAL = 0.3


def run(kubectl: Kubectl, name: str, command: str, timeout: float | None, view: View) -> None:
    """Submit a command and print the result. `timeout` is in seconds; None: do not wait for the operator.

    As JSON or YAML, the result is {command, executed} and what `agentctl rollout status` prints.

    Raises:
        CommandError: the operator refused the command, or did not execute it within the timeout.
    """
    if timeout is None:
        agent = get_agent(kubectl, name)
        _annotate(kubectl, agent, command)
        text = f'rollout command "{command}" submitted'
    else:
        agent = execute(kubectl, name, command, timeout)
        text = rollout_progress.summary(agent)
    show(agent, command, text, view, executed=timeout is not None)


def show(agent: Object, command: str, text: str, view: View, *, executed: bool) -> None:
    """Print the result of a command."""
    if view is View.TEXT:
        output.write(f"{text}\n")
        return
    done = {"command": command, "executed": executed}
    output.write(output.data_text(done | rollout_progress.data(agent), Format(view)))


def rollback(kubectl: Kubectl, name: str, to: str, timeout: float | None, view: View) -> None:
    """Roll back to the revision with this name or number; empty: to the last good revision.

    Raises:
        CommandError: as `run`; or the revision does not exist.
    """
    revision = history.read(kubectl, name).entry(to).revision.name if to else ""
    run(kubectl, name, f"{Command.ROLLBACK}{SEPARATOR}{revision}" if revision else Command.ROLLBACK, timeout, view)


def execute(kubectl: Kubectl, name: str, command: str, timeout: float) -> Object:
    """Submit a command, wait until the operator has executed it, and return the agent.

    Raises:
        CommandError: as `run`.
    """
    agent = get_agent(kubectl, name)
    kubectl = kubectl.in_namespace(str(nested_field(agent, "metadata", "namespace")))
    before = _refusals(kubectl, agent)
    _annotate(kubectl, agent, command)
    agent = _wait_until_executed(kubectl, name, command, timeout)
    refused = [message for event, message in _refusals(kubectl, agent).items() if event not in before]
    if refused:
        raise CommandError(refused[-1])
    return agent


def _annotate(kubectl: Kubectl, agent: Object, command: str) -> None:
    name = agent["metadata"]["name"]
    if nested_field(agent, "spec", "suspend"):
        raise CommandError(f"{name} is suspended: set spec.suspend to false first")
    kubectl.run("annotate", RESOURCE, name, f"{constants.ANNOTATION_ROLLOUT}={command}", "--overwrite")


def _wait_until_executed(kubectl: Kubectl, name: str, command: str, timeout: float) -> Object:
    deadline = time.monotonic() + timeout
    while True:
        agent = get_agent(kubectl, name)
        # The operator removes the annotation. Another value means that another user has replaced the command.
        if (nested_field(agent, "metadata", "annotations") or {}).get(constants.ANNOTATION_ROLLOUT) != command:
            return agent
        if time.monotonic() > deadline:
            raise CommandError(
                f'{name}: the operator did not execute rollout command "{command}" within {timeout:g} s: check that '
                f"the operator is running; the command stays pending ({rollout_progress.summary(agent)})"
            )
        time.sleep(INTERVAL)


def _refusals(kubectl: Kubectl, agent: Object) -> dict[str, str]:
    """Return the messages of the CommandRefused Events by Event name, the latest last."""
    selector = f"reason={Reason.COMMAND_REFUSED},involvedObject.uid={nested_field(agent, 'metadata', 'uid')}"
    events = kubectl.get("events", f"--field-selector={selector}")
    events.sort(key=lambda event: str(event["metadata"]["creationTimestamp"]))
    return {event["metadata"]["name"]: str(event.get("message", "")) for event in events}
