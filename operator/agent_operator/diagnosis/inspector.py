"""One look at the pods of an agent: their reports about components, and the Events of one that does not start."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from agent_operator.diagnosis.findings import LARGEST_REPORT, PodReport, UnreadableReportError, parse_report
from agent_operator.diagnosis.pod_client import PodClient, PodError
from agent_operator.diagnosis.start_failures import start_failure
from agent_operator.kube.client import Cluster
from agent_operator.kube.transport import ApiError

_PATH = "/health"
# The runtime probes its components within 3 s and then responds.
_SECONDS = 4.0
_REPORTS = frozenset({HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class RunningPod:
    """A pod with an address."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class StartingPod:
    """A pod without an address."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class PodStates:
    """The pods of an agent, without those that end.

    Attributes:
        starting: the pods without an address. Their volumes or sandboxes may be the reason.
        running: the pods with an address.
    """

    starting: tuple[StartingPod, ...] = ()
    running: tuple[RunningPod, ...] = ()


class Inspector:
    """Asks pods and the API server. Errors are results, because a pod or the rights may be missing."""

    def __init__(self, cluster: Cluster, client: PodClient) -> None:
        self._cluster = cluster
        self._client = client

    async def reports(self, pods: Sequence[RunningPod]) -> dict[str, PodReport | str]:
        """Return the report of each pod, or why there is none, by name of the pod."""
        found = await asyncio.gather(*map(self._report, pods))
        return {pod.name: report for pod, report in zip(pods, found, strict=True)}

    async def _report(self, pod: RunningPod) -> PodReport | str:
        try:
            response = await self._client.get(pod.address, _PATH, largest=LARGEST_REPORT, seconds=_SECONDS)
        except PodError as error:
            return str(error)
        if response.status not in _REPORTS:
            return f"responds to {_PATH} with status {response.status}"
        try:
            return parse_report(pod.name, response.body)
        except UnreadableReportError:
            return f"responds to {_PATH} with no report of the runtime"

    async def start_failure(self, namespace: str, pod: StartingPod) -> dict[str, Any] | None:
        """Return status.lastFailure of a pod that does not start; None if it has no Event about that."""
        try:
            events = await self._cluster.list_pod_warnings(namespace, pod.name)
            return start_failure(pod.name, pod.uid, events)
        except ApiError:
            # An older Role lacks the right to list Events. The Events of the next look may be fewer, too.
            return None
