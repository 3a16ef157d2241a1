"""Measure the API of the local cluster: `python tests/bench/localkube_api.py [--objects N] [--tls]`.

The server runs in its own process on its own core. The figures are those of one HTTP client.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from typing import Any

import aiohttp
import orjson

SERVER = """
import asyncio
from localkube.apiserver.http.server import ApiServer
from localkube.apiserver.http.tls import Identity
from localkube.apiserver.registry import Registry

async def main():
    registry = Registry()
    registry.bootstrap()
    identity = Identity.generate() if {tls} else None
    async with ApiServer(registry, token="bench", identity=identity) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
NAMESPACE = "/api/v1/namespaces/bench"
WORKERS = 32


def config_map(index: int, value: str) -> dict[str, Any]:
    """A small object with the labels that an operator's children have."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"c{index}", "labels": {"app": f"a{index % 1000}", "managed": "yes"}},
        "data": {"value": value, "other": "x" * 100},
    }


class Bench:
    """One client."""

    def __init__(self, session: aiohttp.ClientSession, objects: int) -> None:
        self.session = session
        self.objects = objects

    async def apply(self, index: int, value: str) -> None:
        """One server-side apply."""
        url = f"{NAMESPACE}/configmaps/c{index}?fieldManager=bench&force=true"
        headers = {"Content-Type": "application/apply-patch+yaml"}
        async with self.session.patch(url, data=orjson.dumps(config_map(index, value)), headers=headers) as response:
            response.raise_for_status()
            await response.read()

    async def apply_all(self, count: int, value: str) -> float:
        """Applies per second."""
        queue = iter(range(count))

        async def work() -> None:
            for index in queue:
                await self.apply(index, value)

        start = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(WORKERS)))
        return count / (time.perf_counter() - start)

    async def timed(self, path: str, repeat: int = 5) -> float:
        """Median milliseconds of a GET."""
        taken = []
        for _ in range(repeat):
            start = time.perf_counter()
            async with self.session.get(path) as response:
                response.raise_for_status()
                await response.read()
            taken.append((time.perf_counter() - start) * 1000)
        return statistics.median(taken)

    async def watch_latency(self, watchers: int, changes: int) -> tuple[float, float]:
        """Median and worst milliseconds from the start of a write to its event at the last of many watchers."""
        streams = [
            await self.session.get(
                f"{NAMESPACE}/configmaps?watch=1&labelSelector=managed%3Dyes&resourceVersion={await self.version()}"
            )
            for _ in range(watchers)
        ]
        taken = []
        for change in range(changes):
            start = time.perf_counter()
            await self.apply(change, f"watched-{change}")
            await asyncio.gather(*(stream.content.readline() for stream in streams))
            taken.append((time.perf_counter() - start) * 1000)
        for stream in streams:
            stream.close()
        return statistics.median(taken), max(taken)

    async def version(self) -> str:
        """The present resourceVersion."""
        async with self.session.get(f"{NAMESPACE}/configmaps?limit=1") as response:
            return str((await response.json())["metadata"]["resourceVersion"])


async def run(url: str, objects: int) -> dict[str, Any]:
    """All figures."""
    connector = aiohttp.TCPConnector(limit=0, ssl=False)
    headers = {"Authorization": "Bearer bench"}
    async with aiohttp.ClientSession(url, connector=connector, headers=headers) as session:
        bench = Bench(session, objects)
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}}
        async with session.post("/api/v1/namespaces", json=body) as response:
            response.raise_for_status()
        found: dict[str, Any] = {"create by apply, per second": await bench.apply_all(objects, "first")}
        found["change by apply, per second"] = await bench.apply_all(objects // 2, "second")
        found["apply without change, per second"] = await bench.apply_all(objects // 2, "second")
        found["list of all, ms"] = await bench.timed(f"{NAMESPACE}/configmaps")
        found["list by label, ms"] = await bench.timed(f"{NAMESPACE}/configmaps?labelSelector=app%3Da7", 20)
        found["get, ms"] = await bench.timed(f"{NAMESPACE}/configmaps/c7", 50)
        median, worst = await bench.watch_latency(50, 40)
        found["event at 50 watchers, ms"] = median
        found["event at 50 watchers, worst ms"] = worst
        return {name: round(value, 2) for name, value in found.items()}


def main() -> None:
    """Start a server, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=12_000)
    parser.add_argument("--tls", action="store_true")
    arguments = parser.parse_args()
    command = [sys.executable, "-c", SERVER.format(tls=arguments.tls)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            for name, value in asyncio.run(run(url, arguments.objects)).items():
                sys.stdout.write(f"{name:40} {value:>10}\n")
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
