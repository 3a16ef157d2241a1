"""`kubectl port-forward` to a pod."""

import asyncio
import re
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

pytestmark = pytest.mark.local_only

BIG = 3_000_000


@asynccontextmanager
async def forwarded(kubectl: Any, target: str, port: int) -> AsyncIterator[str]:
    """Forward a port until the end of the block, and yield the URL."""
    child = await kubectl.start("port-forward", target, f":{port}", "--address=127.0.0.1")
    try:
        line = (await child.stdout.readline()).decode()
        found = re.match(r"Forwarding from (127\.0\.0\.1:\d+) -> ", line)
        assert found, line + (await child.stdout.read()).decode()
        yield f"http://{found[1]}"
    finally:
        if child.returncode is None:
            child.terminate()
        await child.communicate()


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as response:
        return bytes(response.read())


async def test_concurrent_requests_and_large_answers_pass_a_forwarded_port(
    kubectl: Any, deployment: Any, tmp_path: Any
) -> None:
    big = tmp_path / "big"
    big.write_bytes(b"x" * BIG)
    await kubectl.apply(deployment(env=[{"name": "COLOUR", "value": "green"}], args=[str(big)]))
    await kubectl("wait", "deploy/web", "--for=condition=Available", "--timeout=120s")

    async with forwarded(kubectl, "deploy/web", 8000) as url:
        assert len(await asyncio.to_thread(read, f"{url}/file/1")) == BIG
        found = await asyncio.gather(*(asyncio.to_thread(read, f"{url}/env/COLOUR") for _ in range(20)))
        assert set(found) == {b"green"}

    # Nothing listens on this port: the connection closes, and kubectl reports the reason.
    async with forwarded(kubectl, "deploy/web", 9) as url:
        with pytest.raises(OSError, match=r"closed|reset|refused|Remote"):
            await asyncio.to_thread(read, url)
    assert "not found" in await kubectl("port-forward", "pod/none", ":80", fails=True)
