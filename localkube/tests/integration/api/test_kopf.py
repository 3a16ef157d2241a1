"""kopf as a client: an operator sees created, changed and deleted objects."""

import asyncio
from typing import Any

import kopf
import pytest
from kopf._cogs.structs.credentials import ConnectionInfo

from localkube.apiserver.http.server import ApiServer
from localkube.apiserver.registry import Registry
from tests.patience import DEADLINE

pytestmark = pytest.mark.local_only

SCHEMA = {
    "type": "object",
    "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
}
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.org"},
    "spec": {
        "group": "example.org",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}],
    },
}


def widget(name: str, size: int) -> dict[str, Any]:
    return {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": size}}


def operator(
    seen: asyncio.Queue[tuple[str | None, str]], url: str
) -> tuple[kopf.OperatorRegistry, kopf.OperatorSettings]:
    registry = kopf.OperatorRegistry()
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False

    @kopf.on.login(registry=registry)
    def login(**_: Any) -> ConnectionInfo:
        return ConnectionInfo(server=url, token="secret")

    @kopf.on.event("example.org", "v1", "widgets", registry=registry)
    async def observe(type: str | None, name: str, **_: Any) -> None:  # noqa: A002 - kopf names it
        await seen.put((type, name))

    return registry, settings


async def test_an_operator_sees_created_changed_and_deleted_objects() -> None:
    api = Registry()
    api.bootstrap()
    api.create("customresourcedefinitions.apiextensions.k8s.io", "", CRD, manager="test")
    api.create("widgets.example.org", "default", widget("before", 1), manager="test")
    seen: asyncio.Queue[tuple[str | None, str]] = asyncio.Queue()
    stop = asyncio.Event()
    async with ApiServer(api, token="secret") as server, asyncio.timeout(DEADLINE):
        registry, settings = operator(seen, server.url)
        running = asyncio.create_task(
            kopf.operator(registry=registry, settings=settings, namespaces=["default"], standalone=True, stop_flag=stop)
        )
        assert await seen.get() == (None, "before")
        created = api.create("widgets.example.org", "default", widget("later", 1), manager="test")
        assert await seen.get() == ("ADDED", "later")
        api.update("widgets.example.org", "default", {**created, "spec": {"size": 2}}, manager="test")
        assert await seen.get() == ("MODIFIED", "later")
        api.delete("widgets.example.org", "default", "later")
        assert await seen.get() == ("DELETED", "later")
        stop.set()
        await running
