"""What the operator reports about the connection that a kubeconfig describes."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from agent_operator.kube.transport import Transport
from agent_operator.manager.manager import Manager
from agent_operator.settings import Settings
from tests import fast_yaml as yaml

SKIP = {"insecure-skip-tls-verify": True}


def kubeconfig(folder: Path, server: str, **options: Any) -> str:
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, **options}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.mark.parametrize(
    ("server", "options", "remedy"),
    [
        ("https://10.0.0.1:6443", {}, ""),
        ("https://10.0.0.1:6443", {"insecure-skip-tls-verify": False}, ""),
        ("https://10.0.0.1:6443", SKIP, "replace insecure-skip-tls-verify"),
        ("https://127.0.0.1:6443", SKIP, "replace insecure-skip-tls-verify"),
        ("http://api.example.com", {}, "to an https:// URL"),
        ("http://10.0.0.1:8080", SKIP, "to an https:// URL"),
        # kubectl proxy and the local cluster: nothing else can read this connection.
        ("http://127.0.0.1:8001", {}, ""),
        ("http://[::1]:8001", {}, ""),
        ("http://localhost:8001", {}, ""),
        ("http://localhost.example.com:8001", {}, "to an https:// URL"),
    ],
)
async def test_insecure_connections_are_reported_with_the_remedy(
    tmp_path: Path, server: str, options: dict[str, Any], remedy: str
) -> None:
    async with Transport(kubeconfig(tmp_path, server, **options), "", lambda *_: None) as transport:
        assert remedy in transport.insecurity
        assert bool(transport.insecurity) is bool(remedy)


async def test_the_operator_logs_an_insecure_connection_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = kubeconfig(tmp_path, "https://127.0.0.1:1", **SKIP)
    settings = Settings(kubeconfig=path, listen="127.0.0.1:0", lease_namespace="ns", identity="test")
    stop = asyncio.Event()
    stop.set()
    await Manager(settings).run(stop)
    found = [record for record in caplog.records if "insecure-skip-tls-verify" in record.getMessage()]
    assert [record.levelno for record in found] == [logging.WARNING]
