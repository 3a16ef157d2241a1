"""CORS of an agent with API keys: over HTTP, and with OpenAI's JavaScript client in a browser."""

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from tests import npm
from tests.integration.agent_runtime.chat_page.browser import open_browser
from tests.integration.agent_runtime.conftest import ECHO, AgentProcess, StartAgent, agent_toml
from tests.patience import DEADLINE

KEY = "key-of-a-page"
CLIENT = Path(__file__).parent / "clients" / "javascript"
PREFLIGHT = {"Access-Control-Request-Method": "POST"}
PAGE = """<!doctype html><title>Client</title><link rel="icon" href="data:,">
<script type="importmap">{"imports": {"openai": "./node_modules/openai/index.mjs"}}</script>"""
# Returns what the page sees of an answer, of a stream and of an error.
SCRIPT = """
const [baseURL, apiKey, done] = arguments;
(async () => {
  const { default: OpenAI } = await import("openai");
  const options = { baseURL, dangerouslyAllowBrowser: true, maxRetries: 0 };
  const client = new OpenAI({ ...options, apiKey });
  const messages = [{ role: "user", content: "one two" }];
  const answer = await client.chat.completions.create({ model: "echo", messages });
  let text = "";
  for await (const chunk of await client.chat.completions.create({ model: "echo", messages, stream: true }))
    text += chunk.choices[0].delta.content ?? "";
  const refused = await new OpenAI({ ...options, apiKey: "wrong" }).models.list().catch((error) => error);
  const header = (name) => Boolean(refused.headers.get(name));
  return {
    answer: answer.choices[0].message.content, text, requestID: Boolean(answer._request_id), status: refused.status,
    headers: ["x-request-id", "x-should-retry", "www-authenticate"].filter(header),
  };
})().then(done, (error) => done(String(error.cause ?? error)));
"""


class _Quiet(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript"}

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def page_url(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page of another origin, next to OpenAI's client."""
    assert pytestconfig.cache is not None
    installed = npm.install(CLIENT / "package.json", pytestconfig.cache.mkdir("openai-javascript"))
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(installed / "node_modules", folder / "node_modules", symlinks=True)
    (folder / "page.html").write_text(PAGE)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, page_url: str, tmp_path_factory: pytest.TempPathFactory) -> AgentProcess:
    """An agent that requires an API key, and that pages of this origin may call."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(KEY)
    table = f'[agent.server]\ncors_origins = ["{page_url}"]\napi_keys_file = "{keys}"'
    return start_shared_agent(agent_toml(ECHO, memory=table)).ready()


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    """A browser."""
    with open_browser() as driver:
        driver.set_script_timeout(DEADLINE)
        yield driver


def test_openais_client_works_in_a_browser(browser: Chrome, agent: AgentProcess, page_url: str) -> None:
    """Its requests need a preflight, because they have a key and headers of their own. It reads headers of errors."""
    browser.get(f"{page_url}/page.html")

    seen = browser.execute_async_script(SCRIPT, f"http://127.0.0.1:{agent.port}/v1", KEY)

    assert isinstance(seen, dict), seen
    assert seen == {
        "answer": "one two",
        "text": "one two",
        "requestID": True,
        "status": 401,
        "headers": ["x-request-id", "x-should-retry", "www-authenticate"],
    }


@pytest.mark.parametrize(
    ("requested", "allowed"),
    [
        (
            "authorization,x-stainless-os,x-stainless-retry-count",
            "authorization,x-stainless-os,x-stainless-retry-count",
        ),
        ("a2a-version, traceparent", "a2a-version, traceparent"),
        ("", "Authorization"),
        ("x" * 5000, "Authorization"),
        (b"x\xff", "Authorization"),
        ("a; b: c", "Authorization"),
        ("<script>", "Authorization"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat", "/a2a", "/api/sessions/a", "/unknown"])
def test_a_preflight_needs_no_key(
    agent: AgentProcess, page_url: str, path: str, requested: str | bytes, allowed: str
) -> None:
    """It allows the headers that it names, if they are names of headers."""
    headers: Any = {"Origin": page_url, **PREFLIGHT, "Access-Control-Request-Headers": requested}

    preflight = agent.http.options(path, headers=headers)

    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == page_url
    assert preflight.headers["access-control-allow-headers"].startswith(allowed)
    assert {"POST", "DELETE"} <= set(preflight.headers["access-control-allow-methods"].split(", "))


@pytest.mark.parametrize("origin", [None, "https://other.example", "null", "https://app.example.com/"])
def test_other_origins_get_no_cors_headers(agent: AgentProcess, page_url: str, origin: str | None) -> None:
    """Responses, streams and errors have them only for allowed origins, and a cache keeps the responses apart."""
    sent = {"Authorization": f"Bearer {KEY}"}
    for value, allowed in ((page_url, True), (origin, False)):
        headers = sent | ({} if value is None else {"Origin": value})
        responses = [
            agent.http.post("/api/chat", json={"message": "hi"}, headers=headers),
            agent.http.post("/api/chat", json={"message": "hi"}, headers=headers | {"Accept": "text/event-stream"}),
            agent.http.post("/api/chat", json={}, headers=headers),
            agent.http.get("/v1/models", headers=headers | {"Authorization": "Bearer wrong"}),
            agent.http.get("/unknown", headers=headers),
        ]
        assert [response.status_code for response in responses] == [200, 200, 400, 401, 404]
        for response in responses:
            assert (response.headers.get("access-control-allow-origin") == page_url) is allowed
            assert "Origin" in response.headers["vary"]


def test_only_a_preflight_is_answered_without_a_key(agent: AgentProcess) -> None:
    """A request without an origin is no preflight."""
    assert agent.http.options("/v1/models").status_code == 401
    assert agent.http.options("/v1/models", headers={"Authorization": f"Bearer {KEY}"}).status_code == 405
