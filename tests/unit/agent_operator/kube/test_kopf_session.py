"""kopf receives every readable AgentDeployment, whatever the API server sends."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent_operator.api import constants
from agent_operator.kube.agent_watch import AgentWatch
from agent_operator.kube.cache import Store
from agent_operator.kube.discovery import Discovery
from agent_operator.kube.objects import Key, Object
from agent_operator.kube.transport import Transport
from tests.polling import wait_until
from tests.serving import serve, write_kubeconfig

API = f"/apis/{constants.API_VERSION}"
LIST = f"{API}/{constants.PLURAL}"


def resource_list(plural: str, kind: str) -> Object:
    names = {"name": plural, "singularName": "", "kind": kind}
    resource = names | {"namespaced": True, "verbs": ["list", "patch", "watch"]}
    return {"kind": "APIResourceList", "resources": [resource]}


def api_group(name: str, version: str) -> Object:
    served = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [served], "preferredVersion": served}


# kopf also looks for the kinds that it watches by default.
DISCOVERY: dict[str, Object] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": resource_list("namespaces", "Namespace"),
    "/apis": {"groups": [api_group(constants.GROUP, constants.VERSION), api_group("apiextensions.k8s.io", "v1")]},
    API: resource_list(constants.PLURAL, constants.KIND),
    "/apis/apiextensions.k8s.io/v1": resource_list("customresourcedefinitions", "CustomResourceDefinition"),
}


def agent(name: str, version: int = 1, extra: str = "", spec: str = '{"replicas":1}') -> str:
    meta = f'"name":"{name}","namespace":"team","uid":"u-{name}","resourceVersion":"{version}","generation":1{extra}'
    return f'{{"apiVersion":"{constants.API_VERSION}","kind":"AgentDeployment","metadata":{{{meta}}},"spec":{spec}}}'


def nested(levels: int) -> str:
    return '{"a":' * levels + "{}" + "}" * levels


def managed(levels: int) -> str:
    return f',"managedFields":[{{"manager":"m","fieldsV1":{nested(levels)}}}]'


UNREADABLE = {
    **{f"{levels} levels": agent("poison", 5, spec=nested(levels)) for levels in (210, 1_100, 5_000, 10_000)},
    "lone surrogate": agent("poison", 5, spec='{"a":"\\ud800"}'),
    "huge number": agent("poison", 5, spec='{"a":' + "1" * 5_000 + "}"),
    "spec is a text": agent("poison", 5, spec='"x"'),
    "labels are a list": agent("poison", 5, extra=',"labels":[1]'),
    "too large": agent("poison", 5, spec='{"a":"' + "\\u003c" * 400_000 + '"}'),
    "finalizers are a text": agent("poison", 5, extra=',"finalizers":"x","annotations":5'),
}
READABLE = {
    "spec is null": agent("poison", 5, spec="null"),
    "finalizers are null": agent("poison", 5, extra=',"finalizers":null,"labels":null,"annotations":null'),
    "deep managed fields": agent("poison", 5, extra=managed(1_100)),
    "types": agent("poison", 5, spec='{"podTemplate":{"spec":{"containers":{"name":"side"}}}}'),
}
HOSTILE = UNREADABLE | READABLE


class Api:
    """Serves one page, and then the lines of a watch."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.lines: list[bytes] = []
        self.limits: list[str] = []
        self.watches = 0
        self.cut_pages = 0
        self.more = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path in DISCOVERY:
            return web.json_response(DISCOVERY[request.path])
        if request.path != LIST:
            return web.json_response({"kind": "Status", "code": 404}, status=404)
        if "watch" in request.query:
            return await self._watch(request)
        page = self._page(request)
        return page if len(self.limits) > self.cut_pages else await _cut(request, page)

    def _page(self, request: web.Request) -> web.Response:
        self.limits.append(request.query["limit"])
        start, limit = int(request.query.get("continue", "0")), int(request.query["limit"])
        items = self.items[start : start + limit]
        if "PartialObjectMetadata" in request.headers["Accept"]:
            items = [item[: item.index(',"spec"')] + "}" for item in items]
        token = str(start + limit) if start + limit < len(self.items) else ""
        text = f'{{"items":[{",".join(items)}],"metadata":{{"resourceVersion":"9","continue":"{token}"}}}}'
        return web.Response(body=text.encode(), content_type="application/json")

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        self.watches += 1
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            while self.lines:
                await response.write(self.lines.pop(0) + b"\n")
            self.more.clear()
            await self.more.wait()

    def send(self, obj: str, kind: str = "ADDED") -> None:
        self.lines.append(f'{{"type":"{kind}","object":{obj}}}'.encode())
        self.more.set()


async def _cut(request: web.Request, page: web.Response) -> web.StreamResponse:
    """Break the connection in the middle of a page."""
    assert isinstance(page.body, bytes)
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(page.body))})
    await response.prepare(request)
    await response.write(page.body[:-1])
    assert request.transport is not None
    request.transport.close()
    return response


@pytest.fixture
def api() -> Api:
    return Api()


@asynccontextmanager
async def watched(api: Api, tmp_path: Path) -> AsyncIterator[Store]:
    """Run kopf, and yield the cache that it fills."""
    store, stop, loop = Store(lambda: 0.0), asyncio.Event(), asyncio.get_running_loop()
    async with serve(api.handle) as url:
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", url)
        async with Transport(str(kubeconfig), "", lambda *_: None) as transport:
            sink: Callable[[str, Object], Any] = store.observe_agent
            watch = AgentWatch(sink, Discovery(transport), transport, (), loop.time)
            task = asyncio.create_task(watch.run(stop, lambda: None, lambda: None))
            try:
                yield store
            finally:
                stop.set()
                await task


async def until(check: Callable[[], bool]) -> None:
    async def checked() -> bool:
        return check()

    await wait_until(checked, 20)


async def until_cached(store: Store, *names: str) -> None:
    for name in names:
        await until(lambda name=name: store.agent(Key("team", name)) is not None)  # type: ignore[misc]


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
async def test_kopf_lists_and_watches_past_a_hostile_agent(api: Api, tmp_path: Path, hostile: str) -> None:
    api.items = [agent("first"), hostile, agent("last")]
    async with watched(api, tmp_path) as store:
        await until_cached(store, "first", "poison", "last")
        api.send(hostile.replace('"resourceVersion":"5"', '"resourceVersion":"10"'), "MODIFIED")
        api.send(agent("watched", 11))
        await until_cached(store, "watched")
        poison = store.agent(Key("team", "poison"))
        assert poison is not None
        assert poison.version == 10
        assert bool(poison.unreadable) is (hostile in UNREADABLE.values())
        assert store.unreadable.counts() == ({constants.KIND: 1} if poison.unreadable else {})
        api.send(agent("poison", 12), "MODIFIED")
        await until(lambda: not store.unreadable.counts())
        assert api.watches == 1


async def test_kopf_watches_past_events_that_identify_no_object(api: Api, tmp_path: Path) -> None:
    async with watched(api, tmp_path) as store:
        api.lines += [
            b"",
            b"{",
            b"null",
            b'{"type":"ADDED","object":null}',
            b'{"type":"ADDED","object":{"metadata":{}}}',
        ]
        api.send(agent("watched", 11))
        await until_cached(store, "watched")
        assert api.watches == 1


async def test_pages_are_bounded_in_bytes(api: Api, tmp_path: Path) -> None:
    """50 agents of 1 MB need at most 2 MiB at once. An object that is too large on its own is read without its spec."""
    large = {f"large-{number}": agent(f"large-{number}", spec=f'{{"a":"{"x" * 1_000_000}"}}') for number in range(8)}
    api.items = [*large.values(), HOSTILE["too large"], *(agent(f"small-{number}") for number in range(150))]
    async with watched(api, tmp_path) as store:
        await until_cached(store, *large, "poison", "small-149")
        assert len(list(store.agents)) == 8 + 1 + 150
        assert store.unreadable.counts() == {constants.KIND: 1}
    assert api.limits[:5] == ["100", "25", "6", "1", "2"]
    assert api.limits[-1] == "100"


async def test_a_page_that_is_cut_off_leaks_no_connection(api: Api, tmp_path: Path) -> None:
    """Otherwise the garbage collector warns, which is an error here."""
    api.items, api.cut_pages = [agent("first")], 3
    async with watched(api, tmp_path) as store:
        await until_cached(store, "first")
        gc.collect()
    assert len(api.limits) > api.cut_pages
