"""Watches and lists over HTTP: selectors, bookmarks, history, pages."""

import asyncio
import io
import json
from typing import Any

import aiohttp
import pytest

from localkube.apiserver.http.server import ApiServer
from localkube.apiserver.registry import Registry
from localkube.apiserver.storage.store import Store
from tests.patience import DEADLINE

pytestmark = pytest.mark.local_only

PATH = "/api/v1/namespaces/default/configmaps"


def config_map(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}


def make(api: Any, name: str, **labels: str) -> None:
    api.registry.create("configmaps", "default", config_map(name, **labels), manager="test")


async def events(session: aiohttp.ClientSession, api: Any, query: str, count: int) -> list[dict[str, Any]]:
    """The first events of a watch."""
    async with asyncio.timeout(DEADLINE), session.get(f"{api.server.url}{PATH}?watch=1&{query}") as response:
        assert response.status == 200
        return [json.loads(await response.content.readline()) for _ in range(count)]


def summary(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(e["type"], e["object"]["metadata"].get("name", "")) for e in found]


async def test_a_selector_turns_changes_into_added_and_deleted(api: Any, session: aiohttp.ClientSession) -> None:
    version = api.registry.store.version
    make(api, "a", app="x")
    make(api, "b", app="y")
    for name, app in (("b", "x"), ("a", "y")):
        found = api.registry.get("configmaps", "default", name)
        changed = {**found, "metadata": {**found["metadata"], "labels": {"app": app}}}
        api.registry.update("configmaps", "default", changed, manager="test")
    query = f"labelSelector=app%3Dx&resourceVersion={version}"
    assert summary(await events(session, api, query, 3)) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


async def test_initial_events_end_with_a_bookmark(api: Any, session: aiohttp.ClientSession) -> None:
    make(api, "a")
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    found = await events(session, api, query, 2)
    assert summary(found) == [("ADDED", "a"), ("BOOKMARK", "")]
    assert found[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_reports_changes_since_the_list(api: Any, session: aiohttp.ClientSession) -> None:
    async with session.get(f"{api.server.url}{PATH}") as response:
        version = (await response.json())["metadata"]["resourceVersion"]
    make(api, "a")
    watching = asyncio.create_task(events(session, api, f"resourceVersion={version}", 2))
    await asyncio.sleep(0)
    make(api, "b")
    assert summary(await watching) == [("ADDED", "a"), ("ADDED", "b")]


async def test_a_watch_from_before_the_history_gets_410(session: aiohttp.ClientSession) -> None:
    registry = Registry(Store(history=2))
    registry.bootstrap()
    async with ApiServer(registry) as server:
        version = registry.store.version
        for name in "abc":
            registry.create("configmaps", "default", config_map(name), manager="test")
        async with session.get(f"{server.url}{PATH}?watch=1&resourceVersion={version}") as response:
            event = json.loads(await response.content.readline())
            assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
            assert await response.content.readline() == b""


async def test_a_watch_ends_at_its_timeout(api: Any, session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(DEADLINE), session.get(f"{api.server.url}{PATH}?watch=1&timeoutSeconds=1") as response:
        assert await response.read() == b""


async def test_pages_contain_each_object_once(api: Any, session: aiohttp.ClientSession) -> None:
    names = [f"c{i:02}" for i in range(25)]
    for name in names:
        make(api, name)
    seen: list[str] = []
    token = ""
    while True:
        async with session.get(f"{api.server.url}{PATH}?limit=10&continue={token}") as response:
            page = await response.json()
        seen += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
        if not token:
            break
    assert seen == names


async def test_a_list_at_a_future_resource_version_times_out(api: Any, session: aiohttp.ClientSession) -> None:
    async with session.get(f"{api.server.url}{PATH}?resourceVersion=99999999999") as response:
        assert response.status == 504
        assert (await response.json())["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_partial_metadata_and_tables_can_be_watched(api: Any, session: aiohttp.ClientSession) -> None:
    make(api, "a")
    for kind, found in (("PartialObjectMetadata", "PartialObjectMetadata"), ("Table", "Table")):
        headers = {"Accept": f"application/json;as={kind};v=v1;g=meta.k8s.io"}
        async with session.get(f"{api.server.url}{PATH}?watch=1", headers=headers) as response:
            event = json.loads(await response.content.readline())
        assert event["object"]["kind"] == found


async def test_events_of_both_groups_are_the_same_objects(api: Any, session: aiohttp.ClientSession) -> None:
    regarding = {"kind": "ConfigMap", "name": "a", "namespace": "default"}
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "default"},
        "regarding": regarding,
        "note": "hello",
        "reason": "Tested",
        "type": "Normal",
        "action": "Test",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "example.org/test",
        "reportingInstance": "test-0",
    }
    url = f"{api.server.url}/apis/events.k8s.io/v1/namespaces/default/events"
    async with session.post(url, json=event) as response:
        assert response.status == 201, await response.text()
        assert (await response.json())["note"] == "hello"
    stored = api.registry.get("events", "default", "e")
    assert (stored["involvedObject"]["name"], stored["message"]) == ("a", "hello")


async def test_one_object_can_be_watched_by_its_path(api: Any, session: aiohttp.ClientSession) -> None:
    make(api, "a")
    make(api, "b")
    async with asyncio.timeout(DEADLINE), session.get(f"{api.server.url}{PATH}/b?watch=1&timeoutSeconds=1") as response:
        lines = (await response.text()).splitlines()
    assert [json.loads(line)["object"]["metadata"]["name"] for line in lines] == ["b"]


async def test_a_body_beyond_three_megabytes_is_413(api: Any, session: aiohttp.ClientSession) -> None:
    body = {**config_map("big"), "data": {"k": "x" * (3 * 1024 * 1024)}}
    sent = io.BytesIO(json.dumps(body).encode())
    headers = {"Content-Type": "application/json"}
    async with session.post(f"{api.server.url}{PATH}", data=sent, headers=headers) as response:
        assert response.status == 413
        assert (await response.json())["reason"] == "RequestEntityTooLarge"


async def test_a_disconnected_watch_has_no_listener(api: Any, session: aiohttp.ClientSession) -> None:
    listeners = api.registry.store.bucket("configmaps").listeners
    response = await session.get(f"{api.server.url}{PATH}?watch=1")
    assert len(listeners["default"]) == 1
    response.close()
    async with asyncio.timeout(DEADLINE):
        while listeners["default"]:  # noqa: ASYNC110 - another task of this loop empties it
            await asyncio.sleep(0.02)
