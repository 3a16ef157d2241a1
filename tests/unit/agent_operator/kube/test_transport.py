"""The transport retries, reports errors, and refreshes tokens."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent_operator.kube import access, transport
from agent_operator.kube.access import AccessError
from agent_operator.kube.fence import Fence
from agent_operator.kube.transport import ApiError, Transport
from tests import fast_yaml as yaml
from tests.clock import ManualClock


class Server:
    """Responds with the configured responses in order, and repeats the last one."""

    def __init__(self, folder: Path) -> None:
        self.responses: list[Any] = []
        self.requests: list[Any] = []
        self.codes: list[str] = []
        self.token = folder / "token"
        self.kubeconfig = folder / "kubeconfig"
        self.client: Transport | None = None

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append((request.method, request.headers.get("Authorization")))
        status, body, headers = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        return web.json_response(body, status=status, headers=headers)


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setattr(transport, "_BACKOFF", (0.001, 0.001))
    server = Server(tmp_path)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.token.write_text("first")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://{}:{}".format(*runner.addresses[0][:2])}}],
        "users": [{"name": "u", "user": {"tokenFile": str(server.token)}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    server.kubeconfig.write_text(yaml.safe_dump(config))
    async with Transport(str(server.kubeconfig), "", lambda *label: server.codes.append(label[2])) as client:
        server.client = client
        yield server
    await runner.cleanup()


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_transient_error_is_retried(server: Any, code: int) -> None:
    server.responses = [(code, {}, {}), (code, {}, {}), (200, {"ok": True}, {})]
    assert await server.client.request("PATCH", "/x", label=("apply", "X"), body={}) == {"ok": True}
    assert server.codes == [str(code), str(code), "200"]


async def test_last_failed_attempt_raises_the_error(server: Any) -> None:
    server.responses = [(503, {"reason": "ServiceUnavailable", "message": "busy"}, {})]
    with pytest.raises(ApiError) as caught:
        await server.client.request("GET", "/x", label=("get", "X"))
    assert (caught.value.code, caught.value.reason, caught.value.message) == (503, "ServiceUnavailable", "busy")
    assert len(server.requests) == 3


async def test_an_object_that_cannot_be_decoded_is_not_sent_again(server: Any) -> None:
    """The API server answers such a server-side apply with 500, although the object is at fault."""
    message = "failed to create typed patch object (ns/a; apps/v1, Kind=Deployment): .spec.x: not declared"
    server.responses = [(500, {"message": message}, {})]
    with pytest.raises(ApiError) as caught:
        await server.client.request("PATCH", "/x", label=("apply", "X"), body={})
    assert (caught.value.message, len(server.requests)) == (message, 1)


@pytest.mark.parametrize("details", [None, [], {"causes": "x"}, {"causes": [None, "x", {"field": 1}, {}]}])
async def test_malformed_causes_are_ignored(server: Any, details: Any) -> None:
    server.responses = [(422, {"message": "no", "details": details}, {})]
    with pytest.raises(ApiError) as caught:
        await server.client.request("PATCH", "/x", label=("apply", "X"), body={})
    assert caught.value.causes == ()


async def test_the_causes_of_an_error_have_field_and_message(server: Any) -> None:
    cause = {"reason": "FieldValueRequired", "field": "spec.x", "message": "Required value"}
    server.responses = [(422, {"message": "no", "details": {"causes": [cause]}}, {})]
    with pytest.raises(ApiError) as caught:
        await server.client.request("PATCH", "/x", label=("apply", "X"), body={})
    assert caught.value.causes == (("spec.x", "Required value"),)


async def test_post_is_retried_only_after_429(server: Any) -> None:
    server.responses = [(500, {}, {})]
    with pytest.raises(ApiError):
        await server.client.request("POST", "/x", label=("create", "X"), body={})
    assert len(server.requests) == 1
    server.responses = [(429, {}, {"Retry-After": "0"}), (201, {}, {})]
    await server.client.request("POST", "/x", label=("create", "X"), body={})


async def test_text_of_an_error_does_not_quote_the_server(server: Any) -> None:
    server.responses = [(422, {"reason": "Invalid", "message": "value: hunter2"}, {})]
    with pytest.raises(ApiError) as caught:
        await server.client.request("PATCH", "/x", label=("apply", "X"), body={})
    assert "hunter2" not in str(caught.value)


async def test_expired_token_is_reloaded(server: Any) -> None:
    server.token.write_text("second")
    server.responses = [(401, {}, {}), (200, {}, {})]
    await server.client.request("PATCH", "/x", label=("apply", "X"), body={"a": 1})
    assert [token.split()[1] for _, token in server.requests] == ["first", "second"]


async def test_unreachable_server_raises_an_error(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Transport, "server", "http://127.0.0.1:1")
    with pytest.raises(ApiError) as caught:
        await server.client.request("GET", "/x", label=("get", "X"))
    assert caught.value.code == 0


async def test_error_for_an_invalid_kubeconfig_does_not_quote_it(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("{ token: canary-4b1d, [")

    with pytest.raises(AccessError, match="is not YAML") as caught:
        async with Transport(str(kubeconfig), "", lambda *_: None):
            pass

    assert "canary" not in str(caught.value)


async def test_credentials_that_cannot_be_renewed_fail_only_the_request(server: Any) -> None:
    """The exec plugin or the token file may fail for a while. The process continues."""
    server.responses = [(401, {}, {})]
    server.kubeconfig.unlink()
    with pytest.raises(ApiError) as caught:
        await server.client.request("GET", "/x", label=("get", "X"))
    assert (caught.value.code, caught.value.reason) == (0, "NoCredentials")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_closed_fence_refuses_each_write_before_it_is_sent(server: Any, method: str) -> None:
    """Also while a token is reloaded: the check is the last one before the request is sent."""
    clock = ManualClock()
    fence = Fence(clock)
    server.responses = [(200, {}, {})]
    async with Transport(str(server.kubeconfig), "", lambda *_: None, innermost=(fence.middleware,)) as client:
        with pytest.raises(ApiError, match="NotLeading"):
            await client.request(method, "/x", label=("", ""), body={})
        fence.open_until(10.0)
        await client.request(method, "/x", label=("", ""), body={})
        clock.now = 10.0
        with pytest.raises(ApiError, match="NotLeading"):
            await client.request(method, "/x", label=("", ""), body={})
        async with client.new_session() as session:
            with pytest.raises(ApiError, match="NotLeading"):
                await session.request(method, client.server)
        await client.request("GET", "/x", label=("", ""))
    assert [sent for sent, _ in server.requests] == [method, "GET"]


async def test_the_fence_may_close_while_the_token_is_reloaded(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fence = Fence(lambda: 0.0)
    fence.open_until(10.0)
    server.responses = [(401, {}, {}), (200, {}, {})]
    load = access.load

    async def slow_login(*given: Any) -> Any:
        fence.close()
        return await load(*given)

    async with Transport(str(server.kubeconfig), "", lambda *_: None, innermost=(fence.middleware,)) as client:
        monkeypatch.setattr(access, "load", slow_login)
        with pytest.raises(ApiError, match="NotLeading"):
            await client.request("PATCH", "/x", label=("", ""), body={})
    assert len(server.requests) == 1
