"""Compare the operator with a loop that applies the same manifests to the same server.

    python tests/bench/operator_throughput.py [--kubeconfig FILE] [--agents 100] [--workers 8]

Measured: agents per second over existing AgentDeployments, from the start until every child exists and
observedGeneration is current; the same manifests by a bare asyncio loop; memory (RSS) of the operator with these
agents; its CPU when idle. Without --kubeconfig the local cluster is started in its own process.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from pathlib import Path
from typing import Any, cast

import aiohttp
import yaml

from agent_operator.kube.resources import object_path
from agent_operator.kube.transport import APPLY, ApiError, Transport
from agent_operator.reconcile.gather import parse
from agent_operator.render import Inputs, render

ROOT = Path(__file__).parents[2]
CRD = ROOT / "crds" / "agentdeployments.agent-operator.dev.yaml"
AGENTS = "/apis/agent-operator.dev/v1alpha1/namespaces/{}/agentdeployments"
_TICKS = os.sysconf("SC_CLK_TCK")


def agent(name: str, namespace: str) -> dict[str, Any]:
    """An agent with the seed's children, without those of optional APIs."""
    return {
        "apiVersion": "agent-operator.dev/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "systemPrompt": {"text": "You are a helpful assistant."},
            "config": {"models": [{"name": "echo", "provider": "echo"}]},
            "autoscaling": {"minReplicas": 3, "maxReplicas": 10},
            "ingress": {"host": f"{name}.example.com"},
            "monitoring": {"serviceMonitor": {"enabled": False}},
        },
    }


class Process:
    """Figures of the operator's process from /proc."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port

    @property
    def rss(self) -> float:
        """MiB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    @property
    def cpu(self) -> float:
        """Seconds of user and system time."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


@contextlib.asynccontextmanager
async def cluster(given: str, folder: Path) -> AsyncIterator[str]:
    """A kubeconfig: the one given, or the local cluster's."""
    if given:
        yield given
        return
    kubeconfig = folder / "kubeconfig"
    command = [sys.executable, "-m", "localkube", "--state-dir", str(folder), "--kubeconfig", str(kubeconfig)]
    process = await asyncio.create_subprocess_exec(*command, "--pods", "pending", stdout=asyncio.subprocess.DEVNULL)
    try:
        while not kubeconfig.exists():  # noqa: ASYNC110  (another process writes it)
            await asyncio.sleep(0.1)
        yield str(kubeconfig)
    finally:
        process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def operator(kubeconfig: str, namespace: str, workers: int) -> AsyncIterator[Process]:
    """Run an operator for one namespace as a process."""
    options = ["--kubeconfig", kubeconfig, "--namespaces", namespace, "--workers", str(workers)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options += ["--listen", f"127.0.0.1:{port}", "--no-leader-election", "--log-level", "WARNING"]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "agent_operator", "run", *options)
    try:
        yield Process(process.pid, port)
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def settled(transport: Transport, namespace: str) -> None:
    """Wait until every agent is reconciled. A watch is used because polling would be load."""
    path = AGENTS.format(namespace)
    found = await transport.request("GET", path, label=("", ""))
    waiting = {a["metadata"]["name"] for a in found["items"] if not _current(a)}
    params = {"watch": "true", "resourceVersion": found["metadata"]["resourceVersion"]}
    events = transport.stream(path, label=("", ""), params=params, on_activity=lambda: None)
    async with contextlib.aclosing(cast("AsyncGenerator[dict[str, Any], None]", events)):
        while waiting:
            changed = (await anext(events))["object"]
            if _current(changed):
                waiting.discard(changed["metadata"]["name"])


def _current(agent: dict[str, Any]) -> bool:
    return bool((agent.get("status") or {}).get("observedGeneration") == agent["metadata"]["generation"])


async def ready(process: Process) -> None:
    """Wait until the caches of the operator are synced."""
    async with aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with session.get(f"http://127.0.0.1:{process.port}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.02)


async def create_all(transport: Transport, path: str, bodies: Iterable[dict[str, Any]], *, at_once: int = 8) -> None:
    """Create objects, some at a time."""
    slots = asyncio.Semaphore(at_once)

    async def create(body: dict[str, Any]) -> None:
        async with slots:
            await transport.request("POST", path, label=("", ""), body=body)

    await asyncio.gather(*map(create, bodies))


async def create_agents(transport: Transport, namespace: str, number: int) -> None:
    """Create agents."""
    bodies = (agent(f"agent-{index}", namespace) for index in range(number))
    await create_all(transport, AGENTS.format(namespace), bodies)


@contextlib.asynccontextmanager
async def installed(kubeconfig: str) -> AsyncIterator[tuple[str, Transport]]:
    """Yield the kubeconfig of a cluster with the CRDs, and a client: a given cluster, or a local one."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            cluster(kubeconfig, Path(folder)) as found,
            Transport(found, "", lambda *_: None) as transport,
        ):
            await install(transport)
            yield found, transport


async def bare(transport: Transport, namespace: str, number: int, workers: int) -> float:
    """Seconds to apply the same manifests without an operator: rendered in advance, no watch, no status."""
    # Existing agents have a UID, so the manifests have owner references as those of the operator.
    await create_agents(transport, namespace, number)
    found = await transport.request("GET", AGENTS.format(namespace), label=("", ""))
    manifests = [render(Inputs(agent=parse(raw))).manifests for raw in found["items"]]
    todo = iter(manifests)

    async def work() -> None:
        for children in todo:
            for manifest in children:
                params = {"fieldManager": "bare", "force": "true"}
                await transport.request(
                    "PATCH", object_path(manifest), label=("", ""), body=manifest, params=params, content_type=APPLY
                )

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(workers)))
    return time.perf_counter() - began


async def namespace(transport: Transport) -> str:
    """Create a namespace for one measurement."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    await transport.request("POST", "/api/v1/namespaces", label=("", ""), body={"metadata": {"name": name}})
    return name


async def install(transport: Transport) -> None:
    """Install the CRD and wait until it is served."""
    crd = yaml.safe_load(CRD.read_text(encoding="utf-8"))
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
    params = {"fieldManager": "bench", "force": "true"}
    await transport.request("PATCH", path, label=("", ""), body=crd, params=params, content_type=APPLY)
    while True:
        with contextlib.suppress(ApiError):
            await transport.request("GET", AGENTS.format("default"), label=("", ""))
            return
        await asyncio.sleep(0.1)


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark."""
    async with installed(options.kubeconfig) as (kubeconfig, transport):
        number, workers = options.agents, options.workers
        target = await namespace(transport)
        async with operator(kubeconfig, await namespace(transport), workers) as process:
            await ready(process)
            idle = process.rss
        await create_agents(transport, target, number)
        async with operator(kubeconfig, target, workers) as process:
            await ready(process)
            began, cpu = time.perf_counter(), process.cpu
            await settled(transport, target)
            seconds, busy = time.perf_counter() - began, process.cpu - cpu
            await asyncio.sleep(5)
            at_rest = process.cpu
            await asyncio.sleep(options.rest)
            at_rest, rss = (process.cpu - at_rest) / options.rest, process.rss
        # Last, because the operator caches the children of all namespaces, including these.
        seconds_bare = await bare(transport, await namespace(transport), number, workers)
        return {
            "agents": number,
            "workers": workers,
            "agents_per_second": round(number / seconds, 1),
            "bare_agents_per_second": round(number / seconds_bare, 1),
            "ratio": round(seconds_bare / seconds, 2),
            "operator_cpu_ms_per_agent": round(1000 * busy / number, 1),
            "rss_mib_without_agents": round(idle),
            "rss_mib": round(rss),
            "cpu_at_rest_percent": round(100 * at_rest, 2),
        }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig", default="", help="of the cluster to measure on; default: a local one")
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--rest", type=float, default=20, help="seconds to watch the CPU at rest")
    sys.stdout.write(json.dumps(asyncio.run(measure(parser.parse_args())), indent=2) + "\n")


if __name__ == "__main__":
    main()
