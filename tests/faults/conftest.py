"""The operator in this process, before a proxy that breaks things, on the local cluster; and the oracles.

Delays are made short here, for a test that waits for them learns nothing; which of them there are stays as it is.
"""

import asyncio
import logging
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import kopf
import pytest
from aiohttp import web

from agent_operator.kube import agent_watch, cache, informer, transport, workqueue
from agent_operator.kube.objects import Key, Ref, agent_key, ref, version
from agent_operator.kube.resources import WATCHED
from agent_operator.kube.transport import APPLY, Transport
from agent_operator.kube.workqueue import Trigger
from agent_operator.manager import Manager
from agent_operator.settings import Settings
from localkube import cluster as clusters
from localkube.cluster import LocalCluster
from localkube.controllers.controller import Context
from tests import fast_yaml as yaml
from tests.faults.proxy import FaultProxy, Write
from tests.faults.shape import CHECKS, masked, status_shape
from tests.integration.agent_operator.conftest import CRD_FILES, CRDS, Api, until
from tests.patience import DEADLINE
from tests.stand_in.node import PlayingNode

NAME = "support"
_PERIODIC = {Trigger.RESYNC, Trigger.REFERENCE, Trigger.ROLLOUT}


@dataclass(frozen=True)
class End:
    """Where a run ended, without what differs from run to run.

    Attributes:
        children: as text.
        status: of the agent.
        created: how often each object was made.
        deleted: what was deleted. Not how often: a second time, with its UID, does nothing.
    """

    children: dict[str, str]
    status: dict[str, Any]
    created: Counter[str]
    deleted: set[str]


@dataclass
class World:
    """A namespace of the local cluster, and operators that reach it through a proxy.

    Attributes:
        skew: `seconds` that the clock of the cluster's controllers is before the real one.
    """

    api: Api
    proxy: FaultProxy
    kubeconfig: Path
    skew: dict[str, float]
    cluster: LocalCluster

    async def renew(self) -> None:
        """Go to a new namespace, with nothing broken."""
        self.api = Api(self.api.transport, f"test-{uuid.uuid4().hex[:8]}")
        await self.api.create("Namespace", {"metadata": {"name": self.api.namespace}})
        self.proxy.reset()

    @asynccontextmanager
    async def operator(self, **changed: Any) -> AsyncIterator[Manager]:
        """Run an operator while the block runs. When the proxy has killed it, nothing of its end gets through."""
        given = {
            "kubeconfig": str(self.kubeconfig),
            "namespaces": (self.api.namespace,),
            "listen": "127.0.0.1:0",
            "leader_election": False,
            "lease_namespace": self.api.namespace,
            "identity": uuid.uuid4().hex,
        }
        controller = Manager(Settings(**(given | changed)))
        controller.queue._longest_delay = 0.2
        stop = asyncio.Event()
        task = asyncio.create_task(controller.run(stop))
        ready = asyncio.create_task(controller.ready.wait())
        await asyncio.wait({task, ready, asyncio.ensure_future(self._died())}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        try:
            yield controller
        finally:
            stop.set()
            await task
            self.proxy.killed.clear()

    async def _died(self) -> None:
        await self.proxy.killed.wait()

    async def at_rest(self, controller: Manager, name: str = NAME, *, reason: str = "Ready") -> None:
        """Wait until nothing is left to do; then look twice more: that must write nothing."""
        await self.api.until_reason("Ready", reason, name)
        await self.still(controller, name)
        before = self.writes_of(name)
        for _ in range(2):
            more = partial(_more, controller, _passes(controller))
            controller.queue.add(Key(self.api.namespace, name), Trigger.AGENT)
            await until(more)
            await self.idle(controller, name)
        assert self.writes_of(name)[len(before) :] == [], "writes after convergence"

    def writes_of(self, name: str) -> list[Write]:
        """What was written for an agent."""
        return [write for write in self.proxy.writes if f"/{name}" in write.path]

    async def ends(self, controller: Manager, name: str = NAME) -> bool:
        """Wait for the operator to come to rest, or to be killed; False when it was killed."""
        return await self.unless_killed(self.at_rest(controller, name))

    async def unless_killed(self, what: Coroutine[Any, Any, Any]) -> bool:
        """Wait for something, or for the operator to be killed; False when it was killed."""
        rest = asyncio.create_task(what)
        killed = asyncio.create_task(self.proxy.killed.wait())
        await asyncio.wait({rest, killed}, return_when=asyncio.FIRST_COMPLETED)
        killed.cancel()
        if self.proxy.killed.is_set():
            rest.cancel()
            await asyncio.wait({rest})
            return False
        await rest
        return True

    async def idle(self, controller: Manager, name: str = NAME) -> None:
        """Wait until no pass is under way, or planned but for the periodic ones."""
        key = Key(self.api.namespace, name)

        async def look() -> bool:
            return _is_idle(controller, key)

        await until(look)

    async def still(self, controller: Manager, name: str = NAME) -> None:
        """Wait until the cluster has nothing left to do, and the operator has seen all of it and is idle.

        Ready does not say this: an agent is Ready again while the garbage collector still removes a canary's pods.
        """
        key = Key(self.api.namespace, name)

        async def look() -> bool:
            return self.cluster.is_idle and not self._unseen(controller, key) and _is_idle(controller, key)

        try:
            await until(look)
        except TimeoutError:
            pytest.fail(f"idle: {self.cluster.is_idle}, {_is_idle(controller, key)}; {self._unseen(controller, key)}")

    def _unseen(self, controller: Manager, key: Key) -> set[tuple[Ref, int]]:
        """What the cluster and the operator know about the agent's objects, and not both."""
        registry, seen = self.cluster.registry, controller.store.children(key)
        kinds = {kind.kind: kind for kind in WATCHED if kind.namespaced}
        there = {
            (ref(kind, obj), version(obj))
            for kind, found in kinds.items()
            for obj in registry.list(f"{found.plural}.{found.group}".rstrip("."))
            if agent_key(obj) == key
        }
        return there ^ {(target, live.version) for target, live in seen.items() if target.kind in kinds}

    async def end(self, name: str = NAME) -> End:
        """Tell where this run ended."""
        agent = await self.api.get("AgentDeployment", name) or {"metadata": {"uid": "?"}}
        names = {self.api.namespace: "NS", agent["metadata"]["uid"]: "UID"}
        # Jobs that are done, and what else the garbage collector takes in its time, are no part of it.
        children = {key: it for key, it in (await self.api.children(name)).items() if _stays(it)}
        made = Counter(self._masked(write) for write in self.proxy.writes if write.created)
        gone = {self._masked(write) for write in self.proxy.writes if write.deleted}
        shown = {" ".join(key): masked(child, names) for key, child in children.items()}
        return End(shown, status_shape(agent, names), made, gone)

    def _masked(self, write: Write) -> str:
        return CHECKS.sub("-checks-HASH", write.path.replace(self.api.namespace, "NS"))


def _is_idle(controller: Manager, key: Key) -> bool:
    workqueue, workers = controller.queue, controller._workers
    timers = {trigger for of, trigger in workqueue._timers if of == key} - _PERIODIC
    working = key in workqueue._waiting or (workers is not None and key in workers._busy)
    return not working and not timers and controller.store.expectations_met(key)


def _stays(child: dict[str, Any]) -> bool:
    return "deletionTimestamp" not in child["metadata"]


def _passes(controller: Manager) -> float:
    return sum(
        sample.value
        for metric in controller.metrics.reconciles.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


async def _more(controller: Manager, than: float) -> bool:
    return _passes(controller) > than


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_BACKOFF", (0.01, 0.02))
    monkeypatch.setattr(informer, "_FIRST_DELAY", 0.02)
    monkeypatch.setattr(informer, "_LONGEST_DELAY", 0.2)
    monkeypatch.setattr(workqueue, "_FIRST_RETRY", 0.005)
    monkeypatch.setattr(workqueue, "_COALESCE", 0.02)
    monkeypatch.setattr(cache, "EXPECTATION_TIMEOUT", 1.0)
    monkeypatch.setattr(agent_watch, "_FIRST_DELAY", 0.02)
    monkeypatch.setattr(informer, "_SHORTEST_WATCH", 0.05)
    patient = agent_watch.settings

    def settings() -> kopf.OperatorSettings:
        chosen = patient()
        chosen.networking.error_backoffs = (0.01, 0.02)
        chosen.watching.reconnect_backoff = 0.02
        return chosen

    monkeypatch.setattr(agent_watch, "settings", settings)


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The operator's log holds no trace and no error; nor does a task die unnoticed."""
    yield
    traces = [
        r.getMessage() for r in caplog.records if r.exc_info or (r.levelno >= logging.ERROR and "kopf" not in r.name)
    ]
    assert traces == []


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    skew = {"seconds": 0.0}
    monkeypatch.setattr(clusters, "StandInNode", PlayingNode)
    monkeypatch.setattr(clusters, "Context", partial(Context, clock=lambda: time.time() + skew["seconds"]))
    async with LocalCluster(stand_in=True, backoff_time_scale=0.01, state_dir=tmp_path / "state") as cluster:
        direct = tmp_path / "kubeconfig"
        cluster.write_kubeconfig(direct)
        async with Transport(str(direct), "", lambda *_: None) as client, client.new_session() as session:
            proxy = FaultProxy(session, client.server)
            app = web.Application(client_max_size=8 * 1024**2)
            app.router.add_route("*", "/{path:.*}", proxy.handle)
            # Handlers end with their clients. On a busy machine that takes a while, and what is cut off leaks.
            runner = web.AppRunner(app, shutdown_timeout=DEADLINE, handler_cancellation=True)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            proxy.url = "http://{}:{}".format(*runner.addresses[0][:2])
            made = World(Api(client, ""), proxy, _kubeconfig(tmp_path / "proxy", proxy.url), skew, cluster)
            await install(made.api)
            await made.renew()
            try:
                yield made
            finally:
                await runner.cleanup()


def _kubeconfig(path: Path, url: str) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "p", "cluster": {"server": url}}],
        "users": [{"name": "p", "user": {"token": "unused"}}],
        "contexts": [{"name": "p", "context": {"cluster": "p", "user": "p"}}],
        "current-context": "p",
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


async def install(api: Api) -> None:
    """Install the CustomResourceDefinitions, and wait until they are served."""
    for file in CRD_FILES:
        crd = yaml.safe_load(file.read_text(encoding="utf-8"))
        params = {"fieldManager": "test", "force": "true"}
        await api.call("PATCH", f"{CRDS}/{file.stem}", body=crd, content_type=APPLY, params=params)

    async def served() -> bool:
        try:
            await api.call("GET", "/apis/agent-operator.dev/v1alpha1/agentdeployments")
            await api.list("AgentRuntimeChannel")
        except transport.ApiError:
            return False
        return True

    await until(served)
