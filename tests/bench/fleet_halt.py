"""A bad version in a large fleet: the time until the rollout halts, its requests, and the other agents unchanged.

    python tests/bench/fleet_halt.py [--agents 500]

All agents follow one channel; its first wave is a tenth of them, ten at a time. The local cluster runs real
controllers and simulated pods. Version `bad` has no image: agents fail after their progress deadline of ten seconds
and roll back. Prints JSON.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from operator_throughput import AGENTS, Process, namespace, ready
from operator_throughput import operator as namespaced_operator

from agent_operator.kube.transport import APPLY, ApiError, Transport

ROOT = Path(__file__).parents[2]
CHANNELS = "/apis/agent-operator.dev/v1alpha1/agentruntimechannels"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WAVES = [{"name": "first", "percent": 10, "soakSeconds": 5, "maxConcurrent": 10}]
Object = dict[str, Any]


@contextlib.asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[str]:
    """A kubeconfig of a local cluster in its own process, whose node has every image except that of `bad`."""
    kubeconfig = folder / "kubeconfig"
    command = [sys.executable, "-m", "localkube", "--state-dir", str(folder), "--kubeconfig", str(kubeconfig)]
    options = ["--pods", "stand-in", "--image", "agent-operator/agent-runtime:[0-9]*=true"]
    process = await asyncio.create_subprocess_exec(*command, *options, stdout=asyncio.subprocess.DEVNULL)
    try:
        while not kubeconfig.exists():  # noqa: ASYNC110  (another process writes it)
            await asyncio.sleep(0.1)
        yield str(kubeconfig)
    finally:
        process.terminate()
        await process.wait()


async def apply(transport: Transport, path: str, body: Object) -> None:
    """Server-side apply."""
    params = {"fieldManager": "bench", "force": "true"}
    await transport.request("PATCH", path, label=("", ""), body=body, params=params, content_type=APPLY)


async def install(transport: Transport) -> None:
    """Install both CRDs and wait until they are served."""
    for file in sorted((ROOT / "crds").glob("*.yaml")):
        crd = yaml.safe_load(file.read_text(encoding="utf-8"))
        await apply(transport, f"{CRDS}/{crd['metadata']['name']}", crd)
    for path in (CHANNELS, AGENTS.format("default")):
        while True:
            with contextlib.suppress(ApiError):
                await transport.request("GET", path, label=("", ""))
                break
            await asyncio.sleep(0.1)


async def channel(transport: Transport, version: str) -> None:
    """Create the channel, or change its version."""
    body = {
        "apiVersion": "agent-operator.dev/v1alpha1",
        "kind": "AgentRuntimeChannel",
        "metadata": {"name": "stable"},
        "spec": {"version": version, "waves": WAVES},
    }
    await apply(transport, f"{CHANNELS}/stable", body)


async def create(transport: Transport, target: str, number: int) -> None:
    """Create agents that follow the channel, eight at a time."""
    gate = asyncio.Semaphore(8)
    spec = {
        "config": {"models": [{"name": "echo", "provider": "echo"}]},
        "replicas": 1,
        "monitoring": {"serviceMonitor": {"enabled": False}},
        "runtime": {"channel": "stable"},
        "rollout": {"progressDeadlineSeconds": 10},
    }

    async def one(name: str) -> None:
        meta = {"name": name, "namespace": target}
        body = {"apiVersion": "agent-operator.dev/v1alpha1", "kind": "AgentDeployment", "metadata": meta, "spec": spec}
        async with gate:
            await transport.request("POST", AGENTS.format(target), label=("", ""), body=body)

    await asyncio.gather(*(one(f"agent-{index}") for index in range(number)))


async def wait_for_reason(transport: Transport, reason: str, version: str) -> Object:
    """Wait until the channel's condition Ready has this reason; return its status."""
    while True:
        found = await transport.request("GET", f"{CHANNELS}/stable", label=("", ""))
        status: Object = found.get("status") or {}
        conditions = status.get("conditions") or ()
        current = next((item["reason"] for item in conditions if item["type"] == "Ready"), "")
        if current == reason and status["version"] == version and status["agents"]:
            return status
        await asyncio.sleep(0.2)


async def calls(process: Process) -> dict[str, float]:
    """Requests of the operator so far, by verb and kind."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{process.port}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    found: dict[str, float] = {}
    for line in lines:
        if line.startswith("agent_operator_api_requests_total"):
            labels, _, number = line.partition("{")[2].rpartition("} ")
            name = " ".join(part.split('"')[1] for part in sorted(labels.split(","), reverse=True)[:1])
            kind = next(part.split('"')[1] for part in labels.split(",") if part.startswith("kind"))
            found[f"{name} {kind}"] = found.get(f"{name} {kind}", 0) + float(number)
    return found


async def measure(agents: int) -> Object:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        async with cluster(Path(folder)) as kubeconfig, Transport(kubeconfig, "", lambda *_: None) as transport:
            await install(transport)
            target = await namespace(transport)
            await channel(transport, "1")
            await create(transport, target, agents)
            async with namespaced_operator(kubeconfig, "", 8) as process:
                await ready(process)
                began = time.perf_counter()
                await wait_for_reason(transport, "Complete", "1")
                first = time.perf_counter() - began
                before, cpu = await calls(process), process.cpu
                began = time.perf_counter()
                await channel(transport, "bad")
                status = await wait_for_reason(transport, "Halted", "bad")
                seconds, busy = time.perf_counter() - began, process.cpu - cpu
                after = await calls(process)
                found = await transport.request("GET", AGENTS.format(target), label=("", ""))
                await asyncio.sleep(10)
                later = await transport.request("GET", AGENTS.format(target), label=("", ""))
                at_rest = {kind: n - after.get(kind, 0) for kind, n in (await calls(process)).items()}
            given = [
                sum(item["status"]["channel"]["version"] == "bad" for item in seen["items"]) for seen in (found, later)
            ]
            return {
                "agents": agents,
                "seconds_until_all_ran_the_first_version": round(first, 1),
                "seconds_until_halted": round(seconds, 1),
                "operator_cpu_seconds": round(busy, 1),
                "given_the_bad_version": given[0],
                "given_it_ten_seconds_later": given[1],
                "untouched": agents - given[1],
                "summary": status["summary"],
                "waves": [f"{wave['name']}: {wave['phase']}, {wave['agents']} agents" for wave in status["waves"]],
                "calls_until_halted": {k: n - before.get(k, 0) for k, n in after.items() if n > before.get(k, 0)},
                "writes_of_the_channel_afterwards": at_rest.get("status AgentRuntimeChannel", 0),
            }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=500)
    sys.stdout.write(json.dumps(asyncio.run(measure(parser.parse_args().agents)), indent=2) + "\n")


if __name__ == "__main__":
    main()
