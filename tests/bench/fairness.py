"""Measure how long the agents of one tenant delay those of another.

    python tests/bench/fairness.py [--kubeconfig FILE] [--agents 800] [--probes 10]

Measured: seconds from the creation of an agent in one namespace until its first status, without load, and while the
operator works through many agents that were created at once in another namespace. Without --kubeconfig the local
cluster is started in its own process.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

from operator_throughput import AGENTS, agent, create_all, installed, namespace, operator, ready

from agent_operator.kube.transport import Transport

# Seconds between two agents of the second tenant.
_INTERVAL = 1.0


def small_agent(name: str, target: str) -> dict[str, Any]:
    """An agent with the fewest children."""
    return agent(name, target) | {"spec": {"replicas": 1, "config": {"models": [{"name": "echo", "provider": "echo"}]}}}


async def delay(transport: Transport, target: str, name: str) -> float:
    """Create an agent, and return the seconds until it has a status."""
    path = AGENTS.format(target)
    began = time.perf_counter()
    created = await transport.request("POST", path, label=("", ""), body=small_agent(name, target))
    params = {"watch": "true", "resourceVersion": created["metadata"]["resourceVersion"]}
    events = transport.stream(path, label=("", ""), params=params, on_activity=lambda: None)
    async with aclosing(cast("AsyncGenerator[dict[str, Any], None]", events)):
        async for event in events:
            found = event["object"]
            if found["metadata"]["name"] == name and (found.get("status") or {}).get("observedGeneration"):
                return time.perf_counter() - began
    raise RuntimeError("the watch ended")


async def probe(transport: Transport, target: str, label: str, number: int) -> list[float]:
    """Create agents one after the other, and return the delay of each."""
    found = []
    for index in range(number):
        found.append(await delay(transport, target, f"{label}-{index}"))
        await asyncio.sleep(_INTERVAL)
    return found


def summary(delays: list[float]) -> dict[str, float]:
    """Return median and maximum in seconds."""
    return {"median": round(statistics.median(delays), 2), "max": round(max(delays), 2)}


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark."""
    async with installed(options.kubeconfig) as (kubeconfig, transport):
        busy, quiet = await namespace(transport), await namespace(transport)
        async with operator(kubeconfig, f"{busy},{quiet}", options.workers) as process:
            await ready(process)
            idle = await probe(transport, quiet, "idle", 3)
            began = time.perf_counter()
            many = (small_agent(f"many-{index}", busy) for index in range(options.agents))
            load = asyncio.create_task(create_all(transport, AGENTS.format(busy), many, at_once=16))
            during = await probe(transport, quiet, "during", 2)
            await load
            created = time.perf_counter() - began
            during += await probe(transport, quiet, "after", options.probes)
            items = (await transport.request("GET", AGENTS.format(busy), label=("", "")))["items"]
            return {
                "agents": options.agents,
                "seconds_to_create_them": round(created, 1),
                "still_waiting_at_the_end": sum(1 for item in items if not item.get("status")),
                "delay_without_load": summary(idle),
                "delay_under_load": summary(during),
            }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig", default="", help="of the cluster to measure on; default: a local one")
    parser.add_argument("--agents", type=int, default=800)
    parser.add_argument("--probes", type=int, default=10, help="agents of the second tenant after the creation")
    parser.add_argument("--workers", type=int, default=8)
    sys.stdout.write(json.dumps(asyncio.run(measure(parser.parse_args())), indent=2) + "\n")


if __name__ == "__main__":
    main()
