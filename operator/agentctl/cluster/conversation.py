"""A chat with an agent through a port that is forwarded to one of its pods."""

from collections.abc import Generator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from subprocess import TimeoutExpired
from typing import Self

from agent_operator.api import constants
from agent_runtime.cli.chat import Chat, ChatError
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.pods import list_pods, pod_is_ready
from agentctl.cluster.port_forward import Forward, forwarded
from agentctl.cluster.snapshot import children_namespace, get_agent
from agentctl.errors import CommandError
from agentctl.objects import Object, nested_field
from agentctl.ui import output

# Seconds in which kubectl ends after it has lost its pod.
_LOST_SECONDS = 0.5


def http_port(pod: Object) -> int:
    """Return the port of the agent's API in a pod."""
    for container in nested_field(pod, "spec", "containers") or ():
        for port in container.get("ports") or () if container.get("name") == constants.CONTAINER else ():
            if port.get("name") == "http":
                return int(port["containerPort"])
    raise CommandError(f"pod {pod['metadata']['name']} has no port http: check that it belongs to an agent")


def ready_pod(kubectl: Kubectl, agent: Object, name: str = "") -> Object:
    """Return a ready pod of an agent, or the pod with this name.

    Raises:
        CommandError: there is none.
    """
    pods = list_pods(kubectl, agent)
    agent_name = agent["metadata"]["name"]
    if name:
        found = next((pod for pod in pods if pod["metadata"]["name"] == name), None)
        if found is None:
            existing = ", ".join(pod["metadata"]["name"] for pod in pods) or "none"
            raise CommandError(f'pod "{name}" of {agent_name} not found: its pods are {existing}')
        return found
    found = next(filter(pod_is_ready, pods), None)
    if found is None:
        raise CommandError(f"no pod of {agent_name} is ready: run agentctl status {agent_name} to see why")
    return found


@dataclass(slots=True)
class PodConversation:
    """Messages to one pod of an agent. If the pod ends, the next message goes to another one.

    Attributes:
        kubectl: the cluster.
        agent: name of the agent.
        chat: the session.
        pod: name of the pod to use; empty for any.
    """

    kubectl: Kubectl
    agent: str
    chat: Chat
    pod: str = ""
    _forward: Forward = field(init=False)
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Connect. Raises CommandError."""
        self._connect()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._open.close()

    @property
    def session(self) -> str | None:
        """Id of the session."""
        return self.chat.session

    @session.setter
    def session(self, value: str | None) -> None:
        self.chat.session = value

    @property
    def finish_reason(self) -> str | None:
        """Why the model ended the last answer."""
        return self.chat.finish_reason

    @finish_reason.setter
    def finish_reason(self, value: str | None) -> None:
        self.chat.finish_reason = value

    def ask(self, message: str) -> Generator[str, None, None]:
        """Send a message, and yield the answer in parts. Raises ChatError."""
        if not self._forward.is_open:
            self._reconnect()
        try:
            yield from self.chat.ask(message)
        except ChatError:
            # kubectl ends when it loses the pod, a moment after the request has failed.
            with suppress(TimeoutExpired):
                self._forward.process.wait(_LOST_SECONDS)
            raise

    def _reconnect(self) -> None:
        try:
            name = self._connect()
        except CommandError as error:
            raise ChatError(str(error)) from error
        output.note(f"connected to pod {name}: without Redis, it does not know the conversation")

    def _connect(self) -> str:
        self._open.close()
        agent = get_agent(self.kubectl, self.agent)
        pod = ready_pod(self.kubectl, agent, self.pod)
        name = str(pod["metadata"]["name"])
        kubectl = self.kubectl.in_namespace(children_namespace(agent))
        self._forward = self._open.enter_context(forwarded(kubectl, name, http_port(pod)))
        self.chat.url = self._forward.url
        return name
