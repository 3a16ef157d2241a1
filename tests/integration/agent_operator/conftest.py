"""The operator runs in this process, against an API server, through a proxy that records its requests.

The API server is the local cluster's, with a node that reports every pod as ready, or the one of `--kubeconfig`.
"""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent_operator.kube.transport import Transport
from localkube.cluster import LocalCluster
from tests.integration.agent_operator.api_client import ApiClient, install_crds
from tests.integration.agent_operator.cluster import Cluster
from tests.integration.agent_operator.counting_proxy import Proxy
from tests.serving import serve, write_kubeconfig


@pytest.fixture
async def cluster(
    pytestconfig: pytest.Config, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Cluster]:
    """A new namespace of the API server, and operators that reach it through a proxy."""
    given = pytestconfig.getoption("--kubeconfig")
    if given:
        async with _new_namespace(Path(given), tmp_path, simulated=False) as cluster:
            yield cluster
        return
    # A test module names the only images that its node has in IMAGES.
    images = dict.fromkeys(getattr(request.module, "IMAGES", ()), ("true",))
    async with LocalCluster(stand_in=True, images=images, state_dir=tmp_path / "state") as local:
        kubeconfig = tmp_path / "kubeconfig"
        local.write_kubeconfig(kubeconfig)
        async with _new_namespace(kubeconfig, tmp_path, simulated=True) as cluster:
            yield cluster


@asynccontextmanager
async def _new_namespace(kubeconfig: Path, folder: Path, *, simulated: bool) -> AsyncIterator[Cluster]:
    async with Transport(str(kubeconfig), "", lambda *_: None) as transport:
        api = ApiClient(transport, f"test-{uuid.uuid4().hex[:8]}")
        await install_crds(api)
        await api.create("Namespace", {"metadata": {"name": api.namespace}})
        async with transport.new_session() as session:
            proxy = Proxy(session, transport.server)
            async with serve(proxy.handle) as url:
                through_proxy = write_kubeconfig(folder / "proxy.kubeconfig", url)
                cluster = Cluster(api, proxy, through_proxy, kubeconfig, simulated)
                try:
                    yield cluster
                finally:
                    await cluster.kill_processes()
        for agent in await api.list("AgentDeployment"):
            await api.merge("AgentDeployment", agent["metadata"]["name"], {"metadata": {"finalizers": None}})
        await api.delete("Namespace", api.namespace)
