"""What is mutated: an agent with its children, or a channel with its agents."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from agent_operator.kube.transport import APPLY
from agent_operator.manager.manager import Manager
from tests.faults.campaign.results import without_hashes, without_rollouts
from tests.faults.cluster import NAME, Cluster
from tests.faults.shape import status_shape
from tests.polling import wait_until

Object = dict[str, Any]
Spec = dict[str, Any]
# What remains of earlier revisions, by design.
_HISTORY = "ControllerRevision"
_STATUS_OF_HISTORY = ("history", "lastFailure", "rollout")
_GENERATION = re.compile(r'"observedGeneration": [0-9]+')
_MEMBERS = ("first", "second")


class Subject(Protocol):
    """An object of which each field is changed.

    Attributes:
        cluster: the cluster.
        spec: before each mutation.
        longest: seconds of the loop's clock until an invalid or failing spec has its last status.
    """

    cluster: Cluster
    spec: Spec
    longest: float

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that the operator watches; empty for all."""

    async def prepare(self) -> None:
        """Create what the object needs."""

    async def apply(self, spec: Spec) -> None:
        """Create or change the object. ApiError if it is refused."""

    async def get(self) -> Object:
        """Return the live object."""

    async def converge(self, operator: Manager) -> None:
        """Wait until nothing is left to do; fail if the operator writes at rest."""

    async def end_state(self) -> dict[str, Any]:
        """Return children and status, without what differs from run to run and without the history."""

    async def remove(self) -> None:
        """Delete what is in no namespace."""


@dataclass
class AgentSubject:
    """An AgentDeployment. `longest` exceeds the progress deadline of a Deployment."""

    cluster: Cluster
    spec: Spec
    longest: float = 700.0

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespace of the agent."""
        return (self.cluster.api.namespace,)

    async def prepare(self) -> None:
        """Nothing."""

    async def apply(self, spec: Spec) -> None:
        """Apply the agent."""
        await self.cluster.api.apply_agent(**spec)

    async def get(self) -> Object:
        """Return the agent."""
        return await self.cluster.api.get("AgentDeployment", NAME) or {}

    async def converge(self, operator: Manager) -> None:
        """Wait until the agent is Ready; two further passes write nothing."""
        await self.cluster.wait_until_converged(operator)

    async def end_state(self) -> dict[str, Any]:
        """Return the children and the status of the agent."""
        return await _end_state(self.cluster, NAME)

    async def remove(self) -> None:
        """Nothing."""


@dataclass
class ChannelSubject:
    """An AgentRuntimeChannel with two agents."""

    cluster: Cluster
    spec: Spec
    longest: float = 60.0
    namespaces: tuple[str, ...] = ()
    _name: str = field(default="")

    async def prepare(self) -> None:
        """Create the agents. A channel has no namespace, so its name is that of the namespace."""
        self._name = self.cluster.api.namespace
        for name in _MEMBERS:
            await self.cluster.api.apply_agent(name, runtime={"channel": self._name}, replicas=1)

    async def apply(self, spec: Spec) -> None:
        """Apply the channel."""
        body = {
            "apiVersion": "agent-operator.dev/v1alpha1",
            "kind": "AgentRuntimeChannel",
            "metadata": {"name": self._name},
            "spec": spec,
        }
        path, params = (
            self.cluster.api.path("AgentRuntimeChannel", self._name),
            {"fieldManager": "gitops", "force": "true"},
        )
        await self.cluster.api.call("PATCH", path, body=body, params=params, content_type=APPLY)

    async def get(self) -> Object:
        """Return the channel."""
        return await self.cluster.api.get("AgentRuntimeChannel", self._name) or {}

    async def converge(self, operator: Manager) -> None:
        """Wait until the channel and its agents are Ready; two further passes over each agent write nothing."""

        async def is_ready() -> bool:
            found = await self.get()
            status = found.get("status") or {}
            ready = {item["type"]: item["status"] for item in status.get("conditions", ())}.get("Ready")
            return ready == "True" and status.get("observedGeneration") == found["metadata"]["generation"]

        await wait_until(is_ready)
        for name in _MEMBERS:
            await self.cluster.wait_until_converged(operator, name)

    async def end_state(self) -> dict[str, Any]:
        """Return the status of the channel, and the end states of its agents."""
        names = {self._name: "NS"}
        status = status_shape(await self.get(), names)
        # A wave that changes while all agents run the target needs no soak.
        for wave in status["waves"]:
            wave.pop("healthySince", None)
        found = _fields_of(status)
        for name in _MEMBERS:
            found |= {f"{name}: {key}": value for key, value in (await _end_state(self.cluster, name)).items()}
        return found

    async def remove(self) -> None:
        """Delete the channel."""
        await self.cluster.api.delete("AgentRuntimeChannel", self._name)


async def _end_state(cluster: Cluster, name: str) -> dict[str, Any]:
    found = await cluster.end_state(name)
    deployment = found.children.get(f"Deployment {name}", "")
    end = without_hashes(replace(found, children=_current(found.children, deployment)))
    children = {key: without_rollouts(text) for key, text in end.children.items()}
    status = {key: value for key, value in end.status.items() if key not in _STATUS_OF_HISTORY}
    status["children"] = sorted({json.dumps(child) for child in status.get("children", ())})
    # The revision before the last upgrade of a channel.
    status.get("channel", {}).pop("after", None)
    return children | _fields_of(status)


def _current(children: Mapping[str, str], deployment: str) -> dict[str, str]:
    """Return the children without the revisions and the ConfigMaps that only they need."""
    is_current = {key: key.partition(" ")[2] in deployment for key in children if key.startswith("ConfigMap ")}
    return {key: text for key, text in children.items() if is_current.get(key, True) and not key.startswith(_HISTORY)}


def _fields_of(status: Object) -> dict[str, Any]:
    """Return the fields of a status by path, without the generation."""
    found: Object = json.loads(_GENERATION.sub('"observedGeneration": 0', json.dumps(status)))
    return {f"status.{name}": value for name, value in found.items()}
