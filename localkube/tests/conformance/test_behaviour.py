"""Compares the behaviour of controllers with recordings of Kubernetes 1.36: Jobs, Deployments, budgets, autoscaling."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from localkube.apiserver.http.server import ApiServer
from localkube.apiserver.registry import Registry
from localkube.controllers.controller import Context
from localkube.controllers.manager import ControllerManager
from tests.patience import DEADLINE

pytestmark = pytest.mark.local_only

Object = dict[str, Any]
HERE = Path(__file__).parent
SCENARIOS: dict[str, list[Object]] = json.loads((HERE / "behaviour.json").read_text())
RECORDED: dict[str, Object] = json.loads((HERE / "recorded-behaviour-1.36.json").read_text())
TOKEN = "conformance"
PAUSE = 0.02
VARYING = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
SUFFIX = re.compile(
    r"\b(job|web|canary)(-[0-9])?(-[bcdfghjklmnpqrstvwxz2456789]{6,10})?-[bcdfghjklmnpqrstvwxz2456789]{5}\b"
)
HASH = re.compile(r"\b(web|canary)-[bcdfghjklmnpqrstvwxz2456789]{6,10}\b")
MERGE = {"Content-Type": "application/merge-patch+json"}
SHOWN: dict[str, dict[str, tuple[str, ...]]] = {
    "Pod": {
        "metadata": ("generateName", "labels", "annotations", "finalizers", "ownerReferences"),
        "spec": ("hostname",),
        "status": ("phase", "conditions"),
    },
    "Job": {"metadata": ("generation", "finalizers"), "spec": ("parallelism", "suspend"), "status": ("*",)},
    "Deployment": {"metadata": ("generation", "annotations"), "spec": ("replicas",), "status": ("*",)},
    "ReplicaSet": {"spec": ("replicas",), "status": ("*",)},
    "HorizontalPodAutoscaler": {"status": ("desiredReplicas", "currentReplicas")},
    "PodDisruptionBudget": {"status": ("*",)},
}


def masked(value: Any, key: str = "") -> Any:
    """Mask what differs between runs."""
    if isinstance(value, dict):
        return {
            k: "*" if k == "pod-template-hash" else masked(v, k) for k, v in value.items() if k != "resourceVersion"
        }
    if isinstance(value, list):
        found = [masked(v) for v in value]
        if key == "conditions":  # the recording had no scheduler
            found = sorted((c for c in found if c["type"] != "PodScheduled"), key=lambda c: str(c["type"]))
        return found
    if not isinstance(value, str):
        return value
    return HASH.sub(r"\1-*", SUFFIX.sub(r"\1\2-*", VARYING.sub("*", value)))


class Scenario:
    """One scenario on one server."""

    def __init__(self, session: aiohttp.ClientSession, base: str, namespace: str) -> None:
        self._session = session
        self._base = base
        self.namespace = namespace
        self._seen: list[str] = []  # names of pods in the order of their creation

    async def send(self, method: str, path: str, body: Any = None, headers: Object | None = None) -> tuple[int, Any]:
        """Send a request; `NS` in the path is the namespace of the scenario."""
        url = self._base + path.replace("NS", f"namespaces/{self.namespace}")
        given = {"Content-Type": "application/json", **(headers or {})}
        data = None if body is None else json.dumps(body)
        async with self._session.request(method, url, data=data, headers=given) as response:
            return response.status, json.loads(await response.text())

    async def pods(self) -> dict[str, Object]:
        """List the pods and remember new ones."""
        _, found = await self.send("GET", "/api/v1/NS/pods")
        pods = {p["metadata"]["name"]: p for p in found["items"]}
        fresh = [p for n, p in pods.items() if n not in self._seen]
        fresh.sort(key=lambda p: (p["metadata"]["creationTimestamp"], p["spec"].get("hostname", "")))
        self._seen += [p["metadata"]["name"] for p in fresh]
        return pods

    async def pod(self, number: int) -> str:
        """Wait for the pod number `number`, from 1, and return its path."""
        await self.until(lambda: len(self._seen) >= number)
        return f"/api/v1/NS/pods/{self._seen[number - 1]}"

    async def until(self, condition: Callable[[], bool]) -> None:
        """List the pods until a condition holds."""
        deadline = time.monotonic() + DEADLINE
        while True:
            await self.pods()
            if condition():
                return
            assert time.monotonic() < deadline, f"only {self._seen}"
            await asyncio.sleep(PAUSE)

    async def look(self, paths: list[str]) -> Object:
        """The state to compare: the objects at these paths, the pods, and the Events about the objects."""
        pods = await self.pods()
        shown: Object = {"pods": sorted((shape(pods.get(name)) for name in self._seen), key=json.dumps)}
        for path in paths:
            _, found = await self.send("GET", path)
            shown[path] = shape(found) if "items" not in found else shapes(found)
        _, events = await self.send("GET", "/api/v1/NS/events")
        events_of_owners = {
            (e["involvedObject"]["kind"], e["type"], e["reason"], masked(e["message"]))
            for e in events["items"]
            if e["involvedObject"]["kind"] in ("Job", "Deployment", "ReplicaSet")
        }
        return {**shown, "events": [list(t) for t in sorted(events_of_owners)]}


def shapes(found: Object) -> list[Any]:
    """The compared fields of the items of a list."""
    kind = found["kind"].removesuffix("List")
    return sorted((shape({**i, "kind": kind}) for i in found["items"]), key=json.dumps)


def shape(obj: Object | None) -> Any:
    """The compared fields of an object; None for a deleted one."""
    if obj is None or obj.get("kind") == "Status":
        return None
    kind = obj.get("kind", "Pod")
    found: Object = {"deleting": "deletionTimestamp" in obj["metadata"]}
    for part, names in SHOWN[kind].items():
        for name, value in (obj.get(part) or {}).items():
            content = masked(value, name)
            if (name in names or "*" in names) and content != []:
                found[f"{part}.{name}"] = content
    return found


async def play(scenario: Scenario, steps: list[Object], settled: Callable[[str, Callable[[], Any]], Any]) -> Object:
    """Run a scenario and return its answers; `settled` waits until a state matches the recording."""
    answers: Object = {}
    for at, step in enumerate(steps):
        if "show" in step:
            answers[step["show"]] = await settled(step["show"], partial(scenario.look, step["paths"]))
            continue
        path = await scenario.pod(step["pod"]) if "pod" in step else step["path"]
        path += step.get("below", "")
        body = step.get("body")
        if body and step.get("below") == "/eviction":
            body = {**body, "metadata": {"name": path.split("/")[-2], "namespace": scenario.namespace}}
        code, answer = await scenario.send(step["method"], path, body, step.get("headers"))
        answers[f"{at}"] = [code, answer.get("reason"), masked((answer.get("details") or {}).get("causes"))]
    return answers


@asynccontextmanager
async def cluster() -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A server with all controllers except the scheduler."""
    registry = Registry()
    registry.bootstrap()
    context = Context(registry, backoff_scale=0.02)
    async with (
        ControllerManager(context, node="", lookup=lambda _, port: port),
        ApiServer(registry, token=TOKEN) as server,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session,
    ):
        yield session, server.url


@pytest.mark.parametrize("name", SCENARIOS)
async def test_controllers_behave_like_the_real_ones(name: str) -> None:
    recorded = RECORDED[name]

    async def settled(state: str, look: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + DEADLINE / 6
        while True:
            found = await look()
            if found == recorded[state] or time.monotonic() > deadline:
                return found
            await asyncio.sleep(PAUSE)

    async with cluster() as (session, base):
        scenario = Scenario(session, base, name)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await scenario.send("POST", "/api/v1/namespaces", namespace)
        answers = await play(scenario, SCENARIOS[name], settled)
    assert answers == recorded
