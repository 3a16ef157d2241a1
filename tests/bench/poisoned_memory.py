"""Measure the memory of the operator while a tenant creates large objects with the labels of an agent.

    python tests/bench/poisoned_memory.py [--kubeconfig FILE] [--objects 200] [--kind ConfigMap] [--bytes 1000000]

Measured: resident memory (RSS, MiB) of the operator's process before, at its peak and after, while the objects are
created under its watches, and when it starts with them. After each phase another agent is reconciled. Without
--kubeconfig, the local cluster is started in its own process.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from operator_throughput import (
    Process,
    create_agents,
    create_all,
    installed,
    namespace,
    operator,
    ready,
    settled,
)

from agent_operator.kube.transport import Transport

LABELS = {"agent-operator.dev/agent": "x"}
WORKERS = 8


def large_object(kind: str, name: str, size: int) -> tuple[str, dict[str, Any]]:
    """Return the plural and the manifest of an object with this many bytes of "<", which Go writes as six bytes."""
    meta: dict[str, Any] = {"name": name, "labels": LABELS}
    text = "<" * size
    container = {"name": "c", "image": "x", "env": [{"name": "A", "value": text}]}
    pod = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "ConfigMap": ("/api/v1/namespaces/{}/configmaps", {"apiVersion": "v1", "data": {"k": text}}),
        "Pod": ("/api/v1/namespaces/{}/pods", {"apiVersion": "v1", "spec": pod["spec"]}),
        "Deployment": (
            "/apis/apps/v1/namespaces/{}/deployments",
            {
                "apiVersion": "apps/v1",
                "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": pod},
            },
        ),
    }
    path, body = bodies[kind]
    return path, body | {"kind": kind, "metadata": meta}


def reset_peak(process: Process) -> None:
    """Let the kernel forget the peak of the resident memory."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5", encoding="ascii")


def peak(process: Process) -> float:
    """Return the peak of the resident memory since the last reset, in MiB."""
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


async def create_objects(transport: Transport, target: str, options: argparse.Namespace) -> None:
    """Create the objects, four at a time."""
    path, _ = large_object(options.kind, "", 0)
    bodies = (large_object(options.kind, f"big-{number}", options.bytes)[1] for number in range(options.objects))
    await create_all(transport, path.format(target), bodies, at_once=4)


async def reconcile_agent(transport: Transport, target: str) -> float:
    """Create an agent and return the seconds until it is reconciled."""
    began = time.perf_counter()
    await create_agents(transport, target, 1)
    await settled(transport, target)
    return time.perf_counter() - began


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark."""
    async with installed(options.kubeconfig) as (kubeconfig, transport):
        poisoned, calm = await namespace(transport), await namespace(transport)
        watched = f"{poisoned},{calm}"
        async with operator(kubeconfig, watched, WORKERS) as process:
            await ready(process)
            await reconcile_agent(transport, poisoned)
            before = process.rss
            reset_peak(process)
            await create_objects(transport, poisoned, options)
            seconds = await reconcile_agent(transport, calm)
            watching = {"before": before, "peak": peak(process), "after": process.rss, "agent_seconds": seconds}
        async with operator(kubeconfig, watched, WORKERS) as process:
            await ready(process)
            starting = {"before": before, "peak": peak(process), "after": process.rss}
            return {"watching": _rounded(watching), "starting": _rounded(starting)}


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in figures.items()}


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig", default="")
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--kind", choices=("ConfigMap", "Pod", "Deployment"), default="ConfigMap")
    parser.add_argument("--bytes", type=int, default=1_000_000)
    sys.stdout.write(json.dumps(asyncio.run(measure(parser.parse_args())), indent=2) + "\n")


if __name__ == "__main__":
    main()
