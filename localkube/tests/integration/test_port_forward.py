"""`kubectl port-forward`, the way from a laptop to a pod of any cluster."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.patience import DEADLINE

pytestmark = pytest.mark.local_only


@contextlib.asynccontextmanager
async def forwarded(kubectl: Any, *args: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """The URL under which a kubectl forwards, and that kubectl."""
    child = await kubectl.start("port-forward", *args)
    try:
        line = (await asyncio.wait_for(child.stdout.readline(), DEADLINE)).decode()
        found = re.search(r"127\.0\.0\.1:(\d+) -> ", line)
        assert found, line
        yield f"http://127.0.0.1:{found[1]}", child
    finally:
        # Newer releases of kubectl end by themselves when the connection to the pod is lost.
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        await child.wait()


@pytest.mark.parametrize("target", ["service/web", "deployment/web"])
async def test_a_service_is_reached(kubectl: Any, deployment: Any, service: dict[str, Any], target: str) -> None:
    """One after the other, many at once, and a connection that is kept."""
    await kubectl.apply(deployment(env=[{"name": "VERSION", "value": "one"}]), service)
    await kubectl("rollout", "status", "deployment/web")
    port = ":8080" if target.startswith("service") else ":8000"
    async with forwarded(kubectl, target, port) as (url, _), aiohttp.ClientSession() as client:

        async def ask() -> str:
            async with client.get(url, timeout=aiohttp.ClientTimeout(DEADLINE)) as answer:
                return (await answer.text()).split()[1]

        assert [await ask() for _ in range(3)] == ["one"] * 3
        assert set(await asyncio.gather(*(ask() for _ in range(20)))) == {"one"}


async def test_much_goes_through_both_ways(kubectl: Any, pod: Any, until: Any, cluster: Any) -> None:
    """What a client sends comes back whole, and the end of one side is the end of the other."""
    echo = (
        "import os, socketserver\n"
        "class Echo(socketserver.BaseRequestHandler):\n"
        "    def handle(self):\n"
        "        while data := self.request.recv(65536):\n"
        "            self.request.sendall(data)\n"
        "class Server(socketserver.ThreadingTCPServer):\n"
        "    daemon_threads = True\n"
        "Server((os.environ['LISTEN_ADDRESS'], int(os.environ['PORT_9000'])), Echo).serve_forever()\n"
    )
    probe = {"tcpSocket": {"port": 9000}, "periodSeconds": 1}
    main = {"name": "main", "image": "sh:1", "args": ['exec python3 -c "$PROGRAM"'], "readinessProbe": probe}
    main |= {"ports": [{"containerPort": 9000}], "env": [{"name": "PROGRAM", "value": echo}]}
    await kubectl.apply(pod(containers=[main]))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=120s")
    sent = bytes(range(256)) * 8192
    async with forwarded(kubectl, "pod/one", ":9000") as (url, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(sent)
        received = await asyncio.wait_for(reader.readexactly(len(sent)), DEADLINE)
        assert received == sent
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), DEADLINE) == b""
        writer.close()


async def test_a_port_where_nobody_listens_is_told(kubectl: Any, pod: Any) -> None:
    await kubectl.apply(pod())
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=120s")
    async with forwarded(kubectl, "pod/one", ":1") as (url, child), aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientError):
            await client.get(url, timeout=aiohttp.ClientTimeout(DEADLINE))
        told = ""
        async with asyncio.timeout(DEADLINE):
            while "an error occurred forwarding 1:" not in told:
                line = await child.stdout.readline()
                assert line, told
                told += line.decode()


async def test_a_pod_that_does_not_run_is_refused(kubectl: Any, pod: Any, until: Any, seen: Any) -> None:
    await kubectl.apply(pod(containers=[{"name": "main", "image": "no:1"}]))
    await until(lambda: seen.waiting().get("reason") == "ErrImagePull")
    assert "pod is not running" in await kubectl("port-forward", "pod/one", ":1", fails=True)
