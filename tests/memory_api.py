"""An API server as a dictionary, and a reconciler that works against it."""

import asyncio
from itertools import count
from typing import Any, cast

from agent_operator.diagnosis.monitor import PodMonitor
from agent_operator.diagnosis.pod_client import PodClient
from agent_operator.fleet.assigned_version import VersionDecision
from agent_operator.inputs.agent_inputs import Platform
from agent_operator.kube.cache import Store
from agent_operator.kube.client import Cluster
from agent_operator.kube.event_recorder import EventRecorder
from agent_operator.kube.resources import BY_NAME
from agent_operator.kube.transport import ApiError, Transport
from agent_operator.kube.workqueue import Queue
from agent_operator.reconcile.dry_run import DryRun
from agent_operator.reconcile.factory import make_monitor, make_reconciler
from agent_operator.reconcile.reconciler import Reconciler
from agent_operator.rollout.analysis.client import Scraper
from agent_operator.rollout.planner import RolloutPlanner
from agent_operator.sandbox.sandbox import Sandbox
from kubeschema.kinds.defaults import default

Object = dict[str, Any]
NAMESPACE, NAME = "demo", "echo"
NOW = "2026-01-01T00:00:00Z"
AGENT: Object = {
    "apiVersion": "agent-operator.dev/v1alpha1",
    "kind": "AgentDeployment",
    "metadata": {"name": NAME, "namespace": NAMESPACE, "uid": "0", "generation": 1, "resourceVersion": "1"},
    "spec": {"config": {"models": [{"name": "echo", "provider": "echo"}]}},
}


class MemoryApi:
    """The part of Transport that a pass uses, over a dictionary of paths and objects."""

    def __init__(self, agent: Object) -> None:
        self._agent_path = "/apis/agent-operator.dev/v1alpha1/namespaces/{namespace}/agentdeployments/{name}".format(
            **agent["metadata"]
        )
        self.objects: dict[str, Object] = {self._agent_path: agent}
        self._versions = count(2)

    async def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> Object:
        """Answer as the API server does: with defaults, but without validation."""
        if method == "GET":
            if path not in self.objects:
                raise ApiError(404, "NotFound", path)
            return self.objects[path]
        if method == "DELETE":
            self.objects.pop(path, None)
            return {}
        version = str(next(self._versions))
        if path == f"{self._agent_path}/status":
            agent = self.agent
            status = {key: value for key, value in body["status"].items() if value is not None}
            agent = agent | {"status": agent.get("status", {}) | status}
            self.objects[self._agent_path] = agent | {"metadata": agent["metadata"] | {"resourceVersion": version}}
            return self.agent
        if path in self.objects and body["metadata"].get("resourceVersion"):
            raise ApiError(409, "AlreadyExists", path)
        meta = {"uid": version, "generation": 1} | body["metadata"] | {"resourceVersion": version}
        self.objects[path] = default(_gvk(body), body | {"metadata": meta})
        return self.objects[path]

    @property
    def agent(self) -> Object:
        """The AgentDeployment."""
        return self.objects[self._agent_path]

    @property
    def children(self) -> list[Object]:
        """What the operator has created, except Events."""
        return [obj for obj in self.objects.values() if obj["kind"] in BY_NAME]


def _gvk(obj: Object) -> tuple[str, str, str]:
    group, _, version = obj["apiVersion"].rpartition("/")
    return group, version, obj["kind"]


def wire(
    api: MemoryApi,
    store: Store,
    loop: asyncio.AbstractEventLoop,
    dry_run: DryRun | None = None,
    sandbox: Sandbox | None = None,
    monitor: PodMonitor | None = None,
) -> Reconciler:
    """Wire a reconciler as the manager does."""
    cluster = Cluster(cast(Transport, api))
    return make_reconciler(
        store=store,
        cluster=cluster,
        recorder=EventRecorder(cluster, "bench"),
        rollout_planner=RolloutPlanner(cluster, Scraper(), loop.time),
        resolve_version=lambda _agent: VersionDecision(),
        served=lambda kind: BY_NAME[kind].versions[0],
        platform=Platform(),
        namespaces=(),
        references_lifetime=45,
        clock=loop.time,
        now=lambda: NOW,
        sandbox=sandbox or Sandbox(loop.time),
        monitor=monitor or make_monitor(cluster, PodClient(), store, Queue(loop.time), loop.time, 30),
        dry_run=dry_run,
    )
