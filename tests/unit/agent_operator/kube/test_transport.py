"""HTTP: retries, errors, tokens."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent_operator.kube import transport
from agent_operator.kube.access import AccessError
from agent_operator.kube.transport import ApiError, Transport
from tests import fast_yaml as yaml


class Server:
    """Answers with what it is told; the last answer goes on."""

    def __init__(self, folder: Path) -> None:
        self.answers: list[Any] = []
        self.seen: list[Any] = []
        self.codes: list[str] = []
        self.token = folder / "token"
        self.kubeconfig = folder / "kubeconfig"
        self.client: Transport | None = None

    async def handle(self, request: web.Request) -> web.Response:
        self.seen.append((request.method, request.headers.get("Authorization")))
        status, body, headers = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.json_response(body, status=status, headers=headers)


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setattr(transport, "_BACKOFF", (0.001, 0.001))
    made = Server(tmp_path)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.token.write_text("first")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://{}:{}".format(*runner.addresses[0][:2])}}],
        "users": [{"name": "u", "user": {"tokenFile": str(made.token)}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    made.kubeconfig.write_text(yaml.safe_dump(config))
    async with Transport(str(made.kubeconfig), "", lambda *label: made.codes.append(label[2])) as client:
        made.client = client
        yield made
    await runner.cleanup()


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_what_may_pass_is_tried_again(server: Any, code: int) -> None:
    server.answers = [(code, {}, {}), (code, {}, {}), (200, {"ok": True}, {})]
    assert await server.client.request("PATCH", "/x", label=("apply", "X"), body={}) == {"ok": True}
    assert server.codes == [str(code), str(code), "200"]


async def test_an_attempt_too_many_is_an_error(server: Any) -> None:
    server.answers = [(503, {"reason": "ServiceUnavailable", "message": "busy"}, {})]
    with pytest.raises(ApiError) as caught:
        await server.client.request("GET", "/x", label=("get", "X"))
    assert (caught.value.code, caught.value.reason, caught.value.message) == (503, "ServiceUnavailable", "busy")
    assert len(server.seen) == 3


async def test_a_post_is_not_repeated_unless_it_was_turned_away(server: Any) -> None:
    server.answers = [(500, {}, {})]
    with pytest.raises(ApiError):
        await server.client.request("POST", "/x", label=("create", "X"), body={})
    assert len(server.seen) == 1
    server.answers = [(429, {}, {"Retry-After": "0"}), (201, {}, {})]
    await server.client.request("POST", "/x", label=("create", "X"), body={})


async def test_an_error_s_text_does_not_quote_the_server(server: Any) -> None:
    server.answers = [(422, {"reason": "Invalid", "message": "value: hunter2"}, {})]
    with pytest.raises(ApiError) as caught:
        await server.client.request("PATCH", "/x", label=("apply", "X"), body={})
    assert "hunter2" not in str(caught.value)


async def test_an_expired_token_is_read_again(server: Any) -> None:
    server.token.write_text("second")
    server.answers = [(401, {}, {}), (200, {}, {})]
    await server.client.request("PATCH", "/x", label=("apply", "X"), body={"a": 1})
    assert [token.split()[1] for _, token in server.seen] == ["first", "second"]


async def test_an_unreachable_server_is_an_error(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Transport, "server", "http://127.0.0.1:1")
    with pytest.raises(ApiError) as caught:
        await server.client.request("GET", "/x", label=("get", "X"))
    assert caught.value.code == 0


async def test_a_kubeconfig_that_is_not_yaml_is_told_without_its_text(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("{ token: canary-4b1d, [")

    with pytest.raises(AccessError, match="is not YAML") as told:
        async with Transport(str(kubeconfig), "", lambda *_: None):
            pass

    assert "canary" not in str(told.value)
