"""The operator in this process on the local cluster for simulated hours, with the probes of a kubelet."""

import asyncio
import gc
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from agent_operator.kube.resources import BY_NAME, Kind
from agent_operator.kube.transport import Transport
from agent_operator.manager.manager import Manager
from localkube.cluster import LocalCluster
from tests.integration.agent_operator.api_client import ApiClient, install_crds
from tests.integration.agent_operator.running_manager import operator_settings
from tests.serving import abort, forwarded_headers, serve, write_kubeconfig

PROBE_SECONDS = 20.0
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
_COUNTED = ("agent_operator", "kopf", "aiohttp")
_REMEMBERED = ("agent_operator.api", "agent_operator.render", "agent_operator.inputs")
# Optional APIs by the project that installs them.
APIS = {
    "External Secrets": (BY_NAME["SecretStore"], BY_NAME["ExternalSecret"]),
    "Cilium with Gateway": (BY_NAME["HTTPRoute"], BY_NAME["CiliumNetworkPolicy"]),
    "Prometheus": (BY_NAME["ServiceMonitor"], BY_NAME["PrometheusRule"]),
}


@dataclass
class HangingProxy:
    """Forwards requests to the API server.

    Attributes:
        hanging: a request whose path or query contains one of these words gets no response.
        down: abort every connection.
        mute: watches start and then send nothing.
    """

    session: aiohttp.ClientSession
    server: str
    hanging: frozenset[str] = frozenset()
    down: bool = False
    mute: bool = False
    _open: list[web.Request] = field(default_factory=list)

    def cut(self) -> None:
        """Break every open connection."""
        for request in tuple(self._open):
            abort(request)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request of the operator."""
        self._open.append(request)
        try:
            if self.down:
                return abort(request)
            if any(word in request.path_qs for word in self.hanging):
                await asyncio.Event().wait()
            return await self._pass(request)
        finally:
            self._open.remove(request)

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        headers = forwarded_headers(request)
        target, body = self.server + request.path, await request.read() or None
        timeout = aiohttp.ClientTimeout(total=None)
        async with self.session.request(
            request.method, target, params=request.query, data=body, headers=headers, timeout=timeout
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            if self.mute and "watch" in request.query:
                await asyncio.Event().wait()
            with suppress(ConnectionError):
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
            return response


@dataclass
class RunningOperator:
    """A running operator.

    Attributes:
        answers: the texts of the probe of each path, in order, without repetitions. A healthy operator has only `ok`.
    """

    api: ApiClient
    proxy: HangingProxy
    controller: Manager
    running: asyncio.Task[None]
    session: aiohttp.ClientSession
    answers: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    async def probe(self) -> None:
        """Send both probes, for ever."""
        while True:
            for path in ("/healthz", "/readyz"):
                text = await self.get(path)
                if not self.answers[path] or self.answers[path][-1] != text:
                    self.answers[path].append(text)
            await asyncio.sleep(PROBE_SECONDS)

    async def get(self, path: str) -> str:
        """Return the body of a response."""
        async with self.session.get(f"http://127.0.0.1:{self.controller.health.port}{path}") as answer:
            text = (await answer.text()).strip()
            assert (answer.status == 200) is (text == "ok" or path == "/metrics"), text
            return text

    async def watched(self) -> set[str]:
        """Kinds with a metric for the age of their watch."""
        families = text_string_to_metric_families((await self.get("/metrics")).replace("# EOF", ""))
        samples = [sample for family in families for sample in family.samples]
        return {sample.labels["kind"] for sample in samples if sample.name == "agent_operator_watch_age_seconds"}

    async def serve_only(self, apis: Iterable[str]) -> None:
        """Install exactly these optional APIs, and delete the others."""
        for name, kinds in APIS.items():
            for kind in kinds:
                if (name in apis) is not await self._defined(kind):
                    await (self.api.define(kind) if name in apis else self.api.undefine(kind))

    async def _defined(self, kind: Kind) -> bool:
        crds = await self.api.call("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        return kind.crd in [crd["metadata"]["name"] for crd in crds["items"]]


def count_resources() -> dict[str, int]:
    """Counts that must not grow: tasks, open files, and objects of the operator in memory.

    The cache of the last 64 rendered agents is not counted, nor is the local cluster with its history.
    """
    gc.collect()
    origins = [str(type(thing).__module__) for thing in gc.get_objects()]
    counted = [origin for origin in origins if origin.startswith(_COUNTED) and not origin.startswith(_REMEMBERED)]
    return {
        "tasks": len(asyncio.all_tasks()),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "objects": len(counted),
    }


@asynccontextmanager
async def run_operator(
    *, proxied: bool = False, down: bool = False, standby: bool = False, **changed: Any
) -> AsyncIterator[RunningOperator]:
    """Run an operator and probe it. It must still run at the end.

    Args:
        proxied: reach the API server through the proxy.
        down: the proxy aborts connections from the start.
        standby: another holder has the Lease for days.
        changed: settings.
    """
    with tempfile.TemporaryDirectory() as folder:
        async with (
            LocalCluster(stand_in=True, state_dir=Path(folder) / "state") as cluster,
            _connect(cluster, Path(folder)) as (api, proxy),
            aiohttp.ClientSession() as session,
        ):
            proxy.down = down
            if standby:
                spec = {"holderIdentity": "another", "leaseDurationSeconds": 10**6}
                await api.call("POST", LEASES, body={"metadata": {"name": "agent-operator"}, "spec": spec})
            kubeconfig = Path(folder) / ("through" if proxied else "direct")
            settings = operator_settings(kubeconfig, "default", **({"namespaces": ()} | changed))
            controller, stop = Manager(settings), asyncio.Event()
            _elect_in_this_loop(controller)
            operator = RunningOperator(api, proxy, controller, asyncio.create_task(controller.run(stop)), session)
            await asyncio.sleep(0.1)  # until it listens
            probing = asyncio.create_task(operator.probe())
            try:
                yield operator
                assert not operator.running.done(), "the operator ended"
            finally:
                probing.cancel()
                stop.set()
                with suppress(asyncio.CancelledError):
                    await probing
                proxy.hanging = frozenset()
                async with asyncio.timeout(60):
                    await operator.running


def _elect_in_this_loop(controller: Manager) -> None:
    """Elect in a task instead of a thread, whose loop would have its own simulated clock."""
    lease, loop = controller._lease, asyncio.get_running_loop()
    if lease is not None:
        lease.fence.clock = loop.time
        setattr(lease, "_start", lambda: setattr(lease, "_task", loop.create_task(lease._run())))  # noqa: B010  (mypy)


@asynccontextmanager
async def _connect(cluster: LocalCluster, folder: Path) -> AsyncIterator[tuple[ApiClient, HangingProxy]]:
    direct, through = folder / "direct", folder / "through"
    cluster.write_kubeconfig(direct)
    async with Transport(str(direct), "", lambda *_: None) as client, client.new_session() as session:
        proxy = HangingProxy(session, client.server)
        async with serve(proxy.handle, handler_cancellation=True) as url:
            write_kubeconfig(through, url)
            api = ApiClient(client, "default")
            await install_crds(api)
            yield api, proxy
