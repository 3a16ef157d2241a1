"""The cluster of a campaign: the local one, on a clock that skips every wait, or that of a kubeconfig."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from agent_operator.kube.resources import BY_NAME
from agent_operator.kube.transport import ApiError, Transport
from localkube import cluster as clusters
from localkube.cluster import LocalCluster
from localkube.controllers.controller import Context
from tests import polling
from tests.faults.campaign.injection import Injection
from tests.faults.campaign.runner import DEADLINE as RUN_DEADLINE
from tests.faults.campaign.runner import OPTIONAL, Runner
from tests.faults.cluster import Cluster
from tests.integration.agent_operator.api_client import ApiClient, install_crds
from tests.patience import DEADLINE
from tests.serving import serve, write_kubeconfig
from tests.soak.clock import simulated_clock
from tests.stand_in.kubelet import at_work
from tests.stand_in.node import PlayingNode

_INGRESS_CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
# Of the periods of faults on a real cluster, where the delays of the operator are shorter by about the same.
_TIME_SCALE = 0.1


@contextmanager
def environment(folder: Path, kubeconfig: str | None) -> Iterator[tuple[asyncio.Runner, Runner]]:
    """Run a cluster, or use the one of a kubeconfig; yield its loop and what runs cells on it."""
    # The real delays of the operator pass at once on the simulated clock, and so do long pauses between two polls.
    runner = asyncio.Runner() if kubeconfig else simulated_clock()
    with pytest.MonkeyPatch.context() as patch, runner as loop:
        if kubeconfig is None:
            patch.setattr(polling, "_LONGEST_INTERVAL", 5.0)
            patch.setattr(clusters, "StandInNode", PlayingNode)
        stack = AsyncExitStack()
        try:
            yield loop, loop.run(_start(stack, folder, kubeconfig, patch))
        finally:
            loop.run(stack.aclose())


async def _start(stack: AsyncExitStack, folder: Path, kubeconfig: str | None, patch: pytest.MonkeyPatch) -> Runner:
    skew = {"seconds": 0.0}
    local = None
    if kubeconfig is None:
        patch.setattr(clusters, "Context", partial(Context, clock=lambda: time.time() + skew["seconds"]))
        local = LocalCluster(stand_in=True, backoff_time_scale=0.01, state_dir=folder / "state")
        await stack.enter_async_context(local)
        local.write_kubeconfig(folder / "kubeconfig")
    direct = kubeconfig or str(folder / "kubeconfig")
    if local is None:
        # Its pods fail, crash and report as the scenarios need it. It is the only node without kubelets.
        await stack.enter_async_context(at_work(direct))
    transport, proxy, url = await stack.enter_async_context(_proxy(direct))
    proxy.time_scale = 1.0 if local else _TIME_SCALE
    through_proxy = write_kubeconfig(folder / "proxy", url)
    cluster = Cluster(ApiClient(transport, "default"), proxy, through_proxy, skew, local)
    cluster.longest_delay, cluster.deadline = 60.0 if local else 0.2, RUN_DEADLINE
    await install_crds(cluster.api)
    with suppress(ApiError):  # it exists
        await cluster.api.call(
            "POST", _INGRESS_CLASSES, body={"metadata": {"name": "nginx"}, "spec": {"controller": "a/b"}}
        )
    for kind in OPTIONAL:
        try:
            await cluster.api.define(BY_NAME[kind])
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
    return Runner(cluster, proxy)


@asynccontextmanager
async def _proxy(kubeconfig: str) -> AsyncIterator[tuple[Transport, Injection, str]]:
    async with Transport(kubeconfig, "", lambda *_: None) as transport, transport.new_session() as session:
        proxy = Injection(session, transport.server)
        # A handler ends after its client, on a busy machine long after. A handler that is cut off leaks.
        async with serve(proxy.handle, shutdown_timeout=DEADLINE, handler_cancellation=True) as url:
            yield transport, proxy, url
