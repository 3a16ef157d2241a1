"""The thread of the Lease, with an in-memory Lease that it reads and writes from its own event loop."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self, cast

import pytest
from aiohttp import web

from agent_operator.kube import leader_election
from agent_operator.kube.access import AccessError
from agent_operator.kube.leader_election import LeadershipLost
from agent_operator.kube.lease_thread import LeaseThread
from agent_operator.kube.transport import ApiError, Transport
from tests import fast_yaml as yaml
from tests.patience import DEADLINE
from tests.serving import serve, write_kubeconfig


class LeaseApi:
    """The part of Transport that the election uses, over one Lease. A new connection can be refused."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.threads: set[str] = set()
        self.writes = 0
        self.no_access = False
        self.hang = threading.Event()

    async def __aenter__(self) -> Self:
        if self.no_access:
            raise AccessError("no kubeconfig")
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def request(self, method: str, _path: str, *, body: Any = None, **_more: Any) -> dict[str, Any]:
        self.threads.add(threading.current_thread().name)
        while self.hang.is_set():
            time.sleep(0.01)  # noqa: ASYNC251  (blocks the event loop of the thread)
        if method == "GET":
            if self.lease is None:
                raise ApiError(404, "NotFound", "")
            return self.lease
        self.writes += 1
        self.lease = {**body, "metadata": body["metadata"] | {"resourceVersion": str(self.writes)}}
        return self.lease

    @property
    def holder(self) -> str:
        return (self.lease or {"spec": {}})["spec"].get("holderIdentity", "")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> LeaseApi:
    monkeypatch.setattr(leader_election, "RETRY", 0.01)
    return LeaseApi()


@pytest.fixture
async def lease(api: LeaseApi) -> AsyncIterator[LeaseThread]:
    thread = LeaseThread(lambda: cast(Transport, api), "ns", "lease", "me", time.monotonic)
    yield thread
    api.hang.clear()
    if not thread._stopping.done():
        await thread.release()


async def test_the_lease_is_renewed_while_the_event_loop_is_blocked(api: LeaseApi, lease: LeaseThread) -> None:
    await lease.acquire()
    assert api.holder == "me"
    before, end = api.writes, time.monotonic() + DEADLINE
    while api.writes < before + 3 and time.monotonic() < end:
        time.sleep(0.01)  # noqa: ASYNC251  (blocks this event loop)
    assert api.writes >= before + 3
    assert lease.fence.is_open
    assert api.threads == {"lease"}


async def test_a_release_ends_the_thread_and_closes_the_fence(api: LeaseApi, lease: LeaseThread) -> None:
    await lease.acquire()
    await lease.release()
    assert api.holder == ""
    assert not lease.fence.is_open
    assert lease._ended.done()


async def test_a_loss_is_raised_and_closes_the_fence(api: LeaseApi, lease: LeaseThread) -> None:
    await lease.acquire()
    assert api.lease is not None
    api.lease["spec"] |= {"holderIdentity": "other"}
    with pytest.raises(LeadershipLost, match="another replica holds the Lease lease"):
        async with asyncio.timeout(DEADLINE):
            await lease.hold()
    assert not lease.fence.is_open
    await lease.release()
    assert api.holder == "other"


async def test_a_thread_that_hangs_loses_the_lease(
    api: LeaseApi, lease: LeaseThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another replica takes over. This process must notice, although its thread cannot."""
    monkeypatch.setattr(leader_election, "DURATION", 0.2)
    monkeypatch.setattr(leader_election, "DEADLINE", 0.1)
    await lease.acquire()
    api.hang.set()
    with pytest.raises(LeadershipLost, match="its thread hangs"):
        async with asyncio.timeout(DEADLINE):
            await lease.hold()
    assert not lease.fence.is_open


async def test_missing_credentials_are_raised(api: LeaseApi, lease: LeaseThread) -> None:
    api.no_access = True
    with pytest.raises(AccessError, match="no kubeconfig"):
        await lease.acquire()


async def test_a_standby_that_is_stopped_leaves_the_lease_alone(api: LeaseApi, lease: LeaseThread) -> None:
    spec = {"holderIdentity": "other", "leaseDurationSeconds": 100}
    api.lease = {"metadata": {"name": "lease", "resourceVersion": "1"}, "spec": spec}
    task = asyncio.create_task(lease.acquire())
    async with asyncio.timeout(DEADLINE):
        while not api.threads:  # noqa: ASYNC110  (set by the thread)
            await asyncio.sleep(0.01)
    assert not lease.fence.is_open
    task.cancel()
    await lease.release()
    assert (api.holder, api.writes) == ("other", 0)


async def test_a_lease_that_was_never_requested_needs_no_release(api: LeaseApi, lease: LeaseThread) -> None:
    await lease.release()
    assert api.threads == set()


async def test_a_login_plugin_of_the_kubeconfig_runs_in_the_thread(tmp_path: Path) -> None:
    """It is a subprocess, and the event loop of the thread is not that of the main thread."""
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-plugin"},
    }
    plugin = {"apiVersion": credential["apiVersion"], "command": "echo", "args": [json.dumps(credential)]}
    tokens: set[str] = set()
    written: dict[str, Any] = {}

    async def handle(request: web.Request) -> web.Response:
        tokens.add(request.headers.get("Authorization", ""))
        if request.method == "GET":
            return web.json_response(written, status=200 if written else 404)
        body = await request.json()
        written.update(body, metadata=body["metadata"] | {"resourceVersion": "1"})
        return web.json_response(written)

    async with serve(handle) as url:
        path = write_kubeconfig(tmp_path / "kubeconfig", url)
        config = yaml.safe_load(path.read_text())
        config["users"] = [{"name": config["contexts"][0]["context"].get("user", "u"), "user": {"exec": plugin}}]
        config["contexts"][0]["context"]["user"] = config["users"][0]["name"]
        path.write_text(yaml.safe_dump(config))
        connect = lambda: Transport(str(path), "", lambda *_: None)  # noqa: E731
        lease = LeaseThread(connect, "ns", "lease", "me", time.monotonic)
        async with asyncio.timeout(DEADLINE):
            await lease.acquire()
            await lease.release()
    assert tokens == {"Bearer from-plugin"}
