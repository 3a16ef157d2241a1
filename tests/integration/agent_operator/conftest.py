"""The operator in this process, against an API server, through a proxy that counts, and kills on request.

The API server is the local cluster's, with a node that says of each pod that it is ready, or the one of `--kubeconfig`.
"""

import asyncio
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from aiohttp import web

from agent_operator.kube.objects import Key
from agent_operator.kube.resources import Kind
from agent_operator.kube.transport import APPLY, MERGE, ApiError, Transport
from agent_operator.manager import Manager
from agent_operator.settings import Settings
from localkube.cluster import LocalCluster
from tests import fast_yaml as yaml
from tests.patience import DEADLINE

ROOT = Path(__file__).parents[3]
CRD_FILES = sorted((ROOT / "crds").glob("*.yaml"))
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
AGENTS = "/apis/agent-operator.dev/v1alpha1/namespaces/{}/agentdeployments"
Object = dict[str, Any]
Found = TypeVar("Found")
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Service": "/api/v1/namespaces/{}/services",
    "Pod": "/api/v1/namespaces/{}/pods",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "ControllerRevision": "/apis/apps/v1/namespaces/{}/controllerrevisions",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    "ServiceMonitor": "/apis/monitoring.coreos.com/v1/namespaces/{}/servicemonitors",
    "AgentDeployment": AGENTS,
    "AgentRuntimeChannel": "/apis/agent-operator.dev/v1alpha1/agentruntimechannels",
    "Event": "/apis/events.k8s.io/v1/namespaces/{}/events",
}


@dataclass
class Api:
    """The API server as a test sees it, in one namespace."""

    transport: Transport
    namespace: str

    def path(self, kind: str, name: str = "", namespace: str = "") -> str:
        return PATHS[kind].format(namespace or self.namespace) + (f"/{name}" if name else "")

    async def call(self, method: str, path: str, **more: Any) -> Object:
        return await self.transport.request(method, path, label=("test", ""), **more)

    async def get(self, kind: str, name: str, namespace: str = "") -> Object | None:
        try:
            return await self.call("GET", self.path(kind, name, namespace))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def list(self, kind: str, namespace: str = "") -> list[Object]:
        return (await self.call("GET", self.path(kind, namespace=namespace))).get("items") or []

    async def create(self, kind: str, obj: Object, namespace: str = "") -> Object:
        return await self.call("POST", self.path(kind, namespace=namespace), body=obj)

    async def merge(self, kind: str, name: str, patch: Object, *, sub: str = "", namespace: str = "") -> Object:
        path = self.path(kind, name, namespace) + (f"/{sub}" if sub else "")
        return await self.call("PATCH", path, body=patch, content_type=MERGE, params={"fieldManager": "somebody"})

    async def delete(self, kind: str, name: str, namespace: str = "") -> None:
        try:
            await self.call("DELETE", self.path(kind, name, namespace))
        except ApiError as error:
            if error.code != 404:
                raise

    async def define(self, kind: Kind) -> None:
        """Install a CustomResourceDefinition that takes everything."""
        anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        version = {"name": kind.versions[0].rpartition("/")[2], "served": True, "storage": True, "schema": anything}
        defined = {"plural": kind.plural, "kind": kind.kind, "singular": kind.kind.lower()}
        spec = {"group": kind.group, "scope": "Namespaced", "names": defined, "versions": [version]}
        # Without this an API server takes no definition in a group of Kubernetes' own.
        meta = {"name": kind.crd, "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}}
        await self.call("POST", CRDS, body={"metadata": meta, "spec": spec})

    async def undefine(self, kind: Kind) -> None:
        """Take that definition away, and all objects of the kind."""
        await self.call("DELETE", f"{CRDS}/{kind.crd}")

    async def agent(self, name: str = "support", **spec: Any) -> Object:
        """Create or change an agent, as a GitOps tool would."""
        body = {
            "apiVersion": "agent-operator.dev/v1alpha1",
            "kind": "AgentDeployment",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"config": {"models": [{"name": "echo", "provider": "echo"}]}} | spec,
        }
        params = {"fieldManager": "gitops", "force": "true"}
        return await self.call(
            "PATCH", self.path("AgentDeployment", name), body=body, params=params, content_type=APPLY
        )

    async def condition(self, kind: str, name: str = "support") -> Object:
        """A condition about the current generation; empty when there is none."""
        agent = await self.get("AgentDeployment", name) or {"metadata": {}}
        for condition in agent.get("status", {}).get("conditions", ()):
            if condition["type"] == kind and condition["observedGeneration"] == agent["metadata"]["generation"]:
                return condition
        return {}

    async def until_reason(self, kind: str, reason: str, name: str = "support", seconds: float = DEADLINE) -> Object:
        """Wait until a condition has this reason; return it."""

        async def look() -> Object | None:
            condition = await self.condition(kind, name)
            return condition if condition.get("reason") == reason else None

        try:
            return await until(look, seconds)
        except TimeoutError:
            pytest.fail(f"no {kind}/{reason}: {(await self.get('AgentDeployment', name) or {}).get('status')}")

    async def children(self, name: str = "support", namespace: str = "") -> dict[tuple[str, str], Object]:
        """What carries the agent's label and was made by the operator."""
        found = {}
        for kind in PATHS:
            if kind in ("Namespace", "Pod", "AgentDeployment", "AgentRuntimeChannel", "Event"):
                continue
            try:
                items = await self.list(kind, namespace)
            except ApiError as error:
                if error.code != 404:
                    raise
                items = []
            for item in items:
                if (item["metadata"].get("labels") or {}).get("agent-operator.dev/agent") == name:
                    found[kind, item["metadata"]["name"]] = item
        return found


async def until(look: Callable[[], Awaitable[Found | None]], seconds: float = DEADLINE) -> Found:
    """Return the first answer of `look` that is true; TimeoutError."""
    async with asyncio.timeout(seconds):
        while not (found := await look()):  # noqa: ASYNC110  (what is waited for happens on a server)
            await asyncio.sleep(0.02)
    return found


@dataclass
class Proxy:
    """Stands before the API server and keeps a list of what the operator asks."""

    session: aiohttp.ClientSession
    server: str
    requests: list[tuple[str, str]] = field(default_factory=list)
    # Watches too: method, path, query, body, status.
    asked: list[tuple[str, str, dict[str, str], bytes, int]] = field(default_factory=list)
    after_write: Callable[[int], None] | None = None
    # Parts of paths that the operator has no right to.
    denied: tuple[str, ...] = ()
    # Part of a path where every write is refused as invalid, with words that quote it.
    quoting: str = ""
    url: str = ""

    @property
    def writes(self) -> list[str]:
        """Method and last parts of the path of each write; Leases and Events are no part of an agent."""
        return [
            f"{method} {path}"
            for method, path in self.requests
            if method != "GET" and "/leases" not in path and "/events" not in path
        ]

    @property
    def child_writes(self) -> list[str]:
        return [write for write in self.writes if "/agentdeployments/" not in write]

    @property
    def status_writes(self) -> list[str]:
        return [write for write in self.writes if write.endswith("/status")]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if any(part in request.path for part in self.denied):
            status = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": f"{request.path} is forbidden"}
            return web.json_response(status, status=403)
        if self.quoting and self.quoting in request.path and request.method != "GET":
            body = await request.read()
            self.asked.append((request.method, request.path, dict(request.query), body, 422))
            message = f"invalid: data: Invalid value: {body.decode()}"
            return web.json_response(
                {"kind": "Status", "code": 422, "reason": "Invalid", "message": message}, status=422
            )
        watch = "watch" in request.query
        if not watch:
            self.requests.append((request.method, request.path))
        headers = {key: request.headers[key] for key in ("Content-Type", "Accept") if key in request.headers}
        timeout = aiohttp.ClientTimeout(total=None)
        async with self.session.request(
            request.method,
            self.server + request.path,
            params=request.query,
            data=await request.read() or None,
            headers=headers,
            timeout=timeout,
        ) as answer:
            body = await request.read()
            self.asked.append((request.method, request.path, dict(request.query), body, answer.status))
            if self.after_write and request.method != "GET" and "/leases" not in request.path:
                self.after_write(len(self.writes))
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            try:
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
            except (ConnectionError, aiohttp.ClientError):
                return response
            return response


@dataclass
class World:
    """An API server, a namespace in it, and operators that reach it through the proxy."""

    api: Api
    proxy: Proxy
    folder: Path
    direct: Path
    simulated: bool
    spawned: list[asyncio.subprocess.Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kubeconfig = self.folder / "proxy.kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "p", "cluster": {"server": self.proxy.url}}],
            "users": [{"name": "p", "user": {"token": "unused"}}],
            "contexts": [{"name": "p", "context": {"cluster": "p", "user": "p"}}],
            "current-context": "p",
        }
        self.kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")

    def settings(self, **changed: Any) -> Settings:
        given = {
            "kubeconfig": str(self.kubeconfig),
            "namespaces": (self.api.namespace,),
            "listen": "127.0.0.1:0",
            "leader_election": False,
            "lease_namespace": self.api.namespace,
            "identity": uuid.uuid4().hex,
            "refs_refresh": 1,
        }
        return Settings(**(given | changed))

    @asynccontextmanager
    async def operator(self, **changed: Any) -> AsyncIterator[Manager]:
        """Run an operator while the block runs, and end it as SIGTERM does."""
        controller = Manager(self.settings(**changed))
        stop = asyncio.Event()
        task = asyncio.create_task(controller.run(stop))
        ready = asyncio.create_task(controller.ready.wait())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if task.done():
            await task
        try:
            yield controller
        finally:
            stop.set()
            await task

    async def spawn(self) -> asyncio.subprocess.Process:
        """Start an operator as a process of its own, which can be killed. It ends with the test at the latest."""
        options = ["--kubeconfig", str(self.kubeconfig), "--namespaces", self.api.namespace, "--listen", "127.0.0.1:0"]
        command = [sys.executable, "-m", "agent_operator", "run", "--no-leader-election", *options]
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        self.spawned.append(process)
        return process

    async def end_spawned(self) -> None:
        """Kill the processes that a failed test has left."""
        for process in self.spawned:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def quiet(self, controller: Manager, name: str = "support", seconds: float = DEADLINE) -> None:
        """Wait until the operator has seen all that it wrote, and has nothing left to do."""
        key = Key(self.api.namespace, name)

        async def look() -> bool:
            workers = controller._workers
            idle = controller.queue.depth == 0 and workers is not None and not workers._busy
            before = len(self.proxy.requests)
            if not (idle and controller.store.expectations_met(key)):
                return False
            # The watch of a change that was just made may still be on its way.
            await asyncio.sleep(0.25)
            return before == len(self.proxy.requests)

        await until(look, seconds)


@pytest.fixture
async def world(pytestconfig: pytest.Config, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    given = pytestconfig.getoption("--kubeconfig")
    if given:
        async with _world(Path(given), tmp_path, simulated=False) as made:
            yield made
        return
    # IMAGES of a test module: the only ones that the node has.
    images = dict.fromkeys(getattr(request.module, "IMAGES", ()), ("true",))
    async with LocalCluster(stand_in=True, images=images, state_dir=tmp_path / "state") as cluster:
        kubeconfig = tmp_path / "kubeconfig"
        cluster.write_kubeconfig(kubeconfig)
        async with _world(kubeconfig, tmp_path, simulated=True) as made:
            yield made


@asynccontextmanager
async def _world(kubeconfig: Path, folder: Path, *, simulated: bool) -> AsyncIterator[World]:
    async with Transport(str(kubeconfig), "", lambda *_: None) as transport:
        api = Api(transport, f"test-{uuid.uuid4().hex[:8]}")
        for file in CRD_FILES:
            crd = yaml.safe_load(file.read_text(encoding="utf-8"))
            path = f"{CRDS}/{crd['metadata']['name']}"
            params = {"fieldManager": "test", "force": "true"}
            await api.call("PATCH", path, body=crd, content_type=APPLY, params=params)
        await api.create("Namespace", {"metadata": {"name": api.namespace}})

        async def served() -> bool:
            try:
                await api.list("AgentDeployment")
                await api.list("AgentRuntimeChannel")
            except ApiError:
                return False
            return True

        await until(served)
        async with transport.new_session() as session:
            proxy = Proxy(session, transport.server)
            app = web.Application(client_max_size=8 * 1024**2)
            app.router.add_route("*", "/{path:.*}", proxy.handle)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            proxy.url = "http://{}:{}".format(*runner.addresses[0][:2])
            world = World(api, proxy, folder, kubeconfig, simulated)
            try:
                yield world
            finally:
                await world.end_spawned()
                await runner.cleanup()
        for agent in await api.list("AgentDeployment"):
            await api.merge("AgentDeployment", agent["metadata"]["name"], {"metadata": {"finalizers": None}})
        await api.delete("Namespace", api.namespace)


def kill(process: asyncio.subprocess.Process) -> None:
    """SIGKILL: no time to tidy up."""
    os.kill(process.pid, signal.SIGKILL)


def deadline(seconds: float) -> float:
    return time.monotonic() + seconds


@pytest.fixture(name="until")
def _until() -> Callable[..., Any]:
    return until


@pytest.fixture(name="kill")
def _kill() -> Callable[[asyncio.subprocess.Process], None]:
    return kill
