"""Commands to a rollout: set the annotation, and wait until the operator has carried it out."""

import time

from agent_operator.api import constants
from agent_operator.api.reasons import Reason
from agent_operator.rollout.commands import SEPARATOR, Command
from agentctl.cluster import history, rollout_progress
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.snapshot import RESOURCE, Object, find
from agentctl.errors import CommandError
from agentctl.offline.input_files import dig
from agentctl.ui import output

INTERVAL = 0.3


def run(kubectl: Kubectl, name: str, command: str, timeout: float | None) -> None:
    """Give a command, and say what is so then; `timeout` in seconds, None: do not wait.

    Raises:
        CommandError: it was refused, or not carried out in time.
    """
    if timeout is None:
        _annotate(kubectl, find(kubectl, name), command)
        output.write(f"{name} was told: {command}\n")
    else:
        output.write(f"{rollout_progress.sentence(give(kubectl, name, command, timeout))}\n")


def rollback(kubectl: Kubectl, name: str, to: str, timeout: float | None) -> None:
    """Return to the last good revision, or to the one of this name or number.

    Raises:
        CommandError: as `run`; or no such revision is kept.
    """
    wanted = history.read(kubectl, name).entry(to).revision.name if to else ""
    run(kubectl, name, f"{Command.ROLLBACK}{SEPARATOR}{wanted}" if wanted else Command.ROLLBACK, timeout)


def give(kubectl: Kubectl, name: str, command: str, timeout: float) -> Object:
    """Give a command, and return the agent as it is when the command was carried out; CommandError as `run`."""
    agent = find(kubectl, name)
    here = kubectl.within(str(dig(agent, "metadata", "namespace")))
    before = _refusals(here, agent)
    _annotate(here, agent, command)
    agent = _carried_out(here, name, command, timeout)
    refused = [note for event, note in _refusals(here, agent).items() if event not in before]
    if refused:
        raise CommandError(refused[-1])
    return agent


def _annotate(kubectl: Kubectl, agent: Object, command: str) -> None:
    name = agent["metadata"]["name"]
    if dig(agent, "spec", "suspend"):
        raise CommandError(f"{name} is suspended: set spec.suspend to false first")
    kubectl.run("annotate", RESOURCE, name, f"{constants.ANNOTATION_ROLLOUT}={command}", "--overwrite")


def _carried_out(kubectl: Kubectl, name: str, command: str, timeout: float) -> Object:
    deadline = time.monotonic() + timeout
    while True:
        agent = find(kubectl, name)
        # Another command that took its place is somebody else's to wait for.
        if (dig(agent, "metadata", "annotations") or {}).get(constants.ANNOTATION_ROLLOUT) != command:
            return agent
        if time.monotonic() > deadline:
            raise CommandError(
                f"{name}: {command} is not carried out within {timeout:g} s, and will be as soon as it can: "
                f"{rollout_progress.sentence(agent)}; does the operator run?"
            )
        time.sleep(INTERVAL)


def _refusals(kubectl: Kubectl, agent: Object) -> dict[str, str]:
    """Return the notes of the Events that tell of refused commands, by the Events' names, the latest last."""
    chosen = f"reason={Reason.COMMAND_REFUSED},involvedObject.uid={dig(agent, 'metadata', 'uid')}"
    found = kubectl.get("events", f"--field-selector={chosen}")
    found.sort(key=lambda event: str(event["metadata"]["creationTimestamp"]))
    return {event["metadata"]["name"]: str(event.get("message", "")) for event in found}
