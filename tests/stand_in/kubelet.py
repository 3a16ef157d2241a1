"""A simulated node for an API server without nodes: it binds pods and reports their status over HTTP.

To controllers it looks like a scheduler and a kubelet. No container runs, so no pod answers requests.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from threading import Event
from typing import Any

from agent_operator.kube.transport import MERGE, ApiError, Transport
from tests.stand_in import pods

Object = dict[str, Any]
NODE = "stand-in"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_NODES = "/api/v1/nodes"
_HEARTBEAT = 10.0
_NEVER = "nowhere"  # a node selector with this key fits no node


class Kubelet:
    """A Node and the pods on it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._addresses = (f"127.77.{number // 250}.{number % 250 + 1}" for number in count())
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Register the Node, and update its pods until cancelled."""
        meta = {"name": NODE, "labels": {"agent-operator.dev/stand-in": "true"}}
        with suppress(ApiError):  # it exists already
            await self._call("POST", _NODES, {"apiVersion": "v1", "kind": "Node", "metadata": meta})
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat())
            group.create_task(self._watch())

    async def leave(self) -> None:
        """Delete the Node."""
        for path in (f"{_LEASES}/{NODE}", f"{_NODES}/{NODE}"):
            with suppress(ApiError):
                await self._call("DELETE", path)

    async def _beat(self) -> None:
        """Renew the Lease and the condition of the Node in the interval of a kubelet."""
        condition = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "a stand-in"}
        while True:
            now = datetime.now(UTC)
            spec = {
                "holderIdentity": NODE,
                "leaseDurationSeconds": 40,
                "renewTime": now.isoformat(timespec="microseconds"),
            }
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": NODE}, "spec": spec}
            try:
                await self._call("PATCH", f"{_LEASES}/{NODE}", {"spec": spec}, MERGE)
            except ApiError:
                with suppress(ApiError):
                    await self._call("POST", _LEASES, lease)
            beat = condition | {"lastHeartbeatTime": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
            await self._call("PATCH", f"{_NODES}/{NODE}/status", {"status": {"conditions": [beat]}}, MERGE)
            await asyncio.sleep(_HEARTBEAT)

    async def _watch(self) -> None:
        while True:
            listed = await self._call("GET", "/api/v1/pods")
            for pod in listed["items"]:
                self._take(pod)
            params = {"watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"]}
            with suppress(ApiError):
                events = self._transport.stream(
                    "/api/v1/pods", label=("watch", "Pod"), params=params, on_activity=lambda: None
                )
                async for event in events:
                    if event["type"] in ("ADDED", "MODIFIED"):
                        self._take(event["object"])

    def _take(self, pod: Object) -> None:
        task = asyncio.create_task(self._look_after(pod))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_after(self, pod: Object) -> None:
        """Move a pod to its next state. On a conflict the pod has changed, and its event follows."""
        node = pod["spec"].get("nodeName", "")
        with suppress(ApiError):
            if node == NODE and "deletionTimestamp" in pod["metadata"]:
                await self._end(pod)
            elif node == NODE and not pod.get("status", {}).get("podIP"):
                await self._say(pod, pods.status(pod, next(self._addresses)))
            elif not node and "deletionTimestamp" not in pod["metadata"]:
                await self._bind(pod)

    async def _bind(self, pod: Object) -> None:
        if _NEVER in (pod["spec"].get("nodeSelector") or {}):
            if not pod.get("status", {}).get("conditions"):
                message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
                condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
                await self._say(pod, {"conditions": [condition]})
            return
        target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
        meta = {"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": target}
        await self._call("POST", f"{_path(pod)}/binding", body)

    async def _say(self, pod: Object, status: Object) -> None:
        meta = {"uid": pod["metadata"]["uid"]}
        await self._call("PATCH", f"{_path(pod)}/status", {"metadata": meta, "status": status}, MERGE)

    async def _end(self, pod: Object) -> None:
        await self._say(pod, pods.ended(pod))
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": pod["metadata"]["uid"]},
        }
        await self._call("DELETE", _path(pod), body)

    async def _call(self, method: str, path: str, body: Object | None = None, kind: str = "application/json") -> Object:
        return await self._transport.request(method, path, label=("test", ""), body=body, content_type=kind)


def _path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


@asynccontextmanager
async def at_work(kubeconfig: str) -> AsyncIterator[None]:
    """Run a node while the block runs."""
    async with Transport(kubeconfig, "", lambda *_: None) as transport:
        kubelet = Kubelet(transport)
        task = asyncio.create_task(kubelet.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            await kubelet.leave()
        if not task.cancelled():
            task.result()  # raises the error that ended the node early


@contextmanager
def stand_in_node(kubeconfig: str) -> Iterator[None]:
    """Run a node in a thread, for tests without an event loop."""
    stop = Event()

    async def work() -> None:
        async with at_work(kubeconfig):
            await asyncio.to_thread(stop.wait)

    with ThreadPoolExecutor(1, thread_name_prefix=NODE) as pool:
        node = pool.submit(asyncio.run, work())
        try:
            yield
        finally:
            stop.set()
        node.result(30)
