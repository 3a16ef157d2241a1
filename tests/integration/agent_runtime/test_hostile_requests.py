"""Hostile requests to every route of both ports: none gets a 500, and the next good request works."""

import asyncio
import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_runtime import environment
from agent_runtime.app import create_app, create_metrics_app
from agent_runtime.config import load
from tests.integration.agent_runtime.conftest import ECHO, AgentProcess, StartAgent, agent_toml

# Seconds until an incomplete request counts as unanswered.
WAIT = 5
KEY = "key-of-a-caller"
TABLES = "[agent.chat_page]\nenabled = true\n[agent.server]\ncors_origins = ['*']\ntrusted_proxies = ['127.0.0.0/8']\n"
CHAT = {"message": "hi"}
COMPLETION = {"messages": [{"role": "user", "content": "hi"}]}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "x"}}
MESSAGE = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}
SEND = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": MESSAGE}}


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, tmp_path_factory: pytest.TempPathFactory) -> AgentProcess:
    """An agent with API keys, CORS and the chat page."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"{KEY}\n")
    return start_shared_agent(agent_toml(ECHO, memory=f'{TABLES}api_keys_file = "{keys}"\n')).ready()


class Requests:
    """Requests that are sent concurrently, each over its own connection."""

    def __init__(self) -> None:
        self._cases: dict[tuple[object, ...], tuple[int, bytes]] = {}

    def add(self, port: int, content: bytes, *case: object) -> None:
        """Add a request; `case` describes it."""
        self._cases[case] = (port, content)

    def statuses(self) -> dict[tuple[object, ...], int]:
        """Send all requests; return their statuses: 0 if the connection closes, 1 if the agent waits for more."""

        async def send_all() -> list[int]:
            limit = asyncio.Semaphore(100)
            return await asyncio.gather(*(_status(limit, *sent) for sent in self._cases.values()))

        return dict(zip(self._cases, asyncio.run(send_all()), strict=True))


async def _status(limit: asyncio.Semaphore, port: int, content: bytes) -> int:
    async with limit:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(content)
            async with asyncio.timeout(WAIT):
                head = await reader.readline()
            return int(head.split()[1]) if head.startswith(b"HTTP/1.") else 0
        except TimeoutError:
            return 1
        except ConnectionError:
            return 0
        finally:
            writer.close()


def request(method: str, path: str, body: bytes = b"", *headers: bytes, key: bool = True) -> bytes:
    """Return the bytes of a request."""
    names = {line.partition(b":")[0].lower() for line in headers}
    defaults = {b"host": b"x", b"content-type": b"application/json"}
    if body or method == "POST":
        defaults[b"content-length"] = str(len(body)).encode()
    if key:
        defaults[b"authorization"] = f"Bearer {KEY}".encode()
    if b"transfer-encoding" in names:
        defaults.pop(b"content-length", None)
    lines = [name + b": " + value for name, value in defaults.items() if name not in names]
    return b"\r\n".join([f"{method} {path} HTTP/1.1".encode("latin-1"), *lines, *headers, b"", body])


def routes(tmp_path: Path) -> list[tuple[str, str]]:
    """Return method and path of every route of both applications."""
    (tmp_path / "agent.toml").write_text(agent_toml(ECHO, memory=TABLES))
    (tmp_path / "system_prompt.txt").write_text("Hi.")
    app = create_app(*load(tmp_path / "agent.toml"), environment.read({}))
    found = [*app.router.routes(), *create_metrics_app(app).router.routes()]
    return sorted({(route.method, route.resource.canonical) for route in found if route.resource is not None})


HEADERS: tuple[bytes, ...] = (
    *(b"Authorization: Bearer \xff", b"Authorization: \xff\xfe", b"Authorization:", b"Authorization: Bearer"),
    b"Authorization: Bearer " + b"x" * 8000,
    b"Authorization: Basic " + b"=" * 100,
    *(
        b"Content-Length: nonsense",
        b"Content-Length: -1",
        b"Content-Length: 99999999999999999999",
        b"Content-Length: 1_0",
    ),
    *(b"Content-Length: +5", b"Content-Length: 1, 1", b"Content-Length: \xb2"),
    *(
        b"Content-Type: application/json; charset=nonsense",
        b"Content-Type: \xff",
        b"Content-Type: ;;;",
        b"Content-Type:",
    ),
    b"Content-Type: application/json; charset=\xff",
    b"Content-Type: multipart/form-data; boundary=",
    *(b"Accept: \xff", b"Accept: ;q=x,,,", b"Accept: text/event-stream;q=nonsense", b"Accept: " + b"a/b," * 1500),
    b"Accept: application/openmetrics-text; version=nonsense; q=\xff",
    *(b"Origin: \xff", b"Origin: null", b"Origin: http://[", b"Origin: a\tb"),
    *(b"X-Request-Id: \xff", b"X-Request-Id: " + b"x" * 5000, b"A2A-Version: \xff", b"A2A-Version: 1." + b"9" * 5000),
    *(
        b"X-Forwarded-Proto: \xff",
        b"X-Forwarded-For: nonsense",
        b"X-Forwarded-For: \xff, 1.2.3.4:\xfe, [::1%%\x01]",
        b"X-Forwarded-For: " + b"127.0.0.1," * 800,
        b"Host: \xff",
        b"Host: [",
        b"Host: a:b:c",
        b"Host: x:999999",
    ),
    *(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: \xff"),
    *(b"Content-Encoding: gzip", b"Content-Encoding: br", b"Content-Encoding: zstd", b"Content-Encoding: deflate"),
    b"Content-Encoding: nonsense",
    *(b"Expect: nonsense", b"Expect: 100-continue", b"Upgrade: websocket\r\nConnection: upgrade", b"Connection: \xff"),
    *(
        b"Range: bytes=9999999999999999999999-",
        b"If-Modified-Since: Mon, 99 Foo 99999999999999999999",
        b"If-None-Match: \xff",
    ),
    *(
        b"Cookie: \xff=;;;==",
        b"traceparent: 00-\xff",
        b"X: " + b"y" * 100_000,
        b"X\xff: y",
        b": y",
        b"X : y",
        b"X: a\x00b",
    ),
    b"\r\n".join(b"X-%d: y" % number for number in range(2000)),
)
DEEP = (1_100, 100_000)
NUMBERS = (
    b"9" * 5000,
    b"1e999",
    b"-1e999",
    b"NaN",
    b"Infinity",
    b"1" * 100_000,
    b"1e-400",
    b"-0",
    b"18446744073709551616",
)
VALUES: tuple[bytes, ...] = (
    *NUMBERS,
    *(
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'""',
        b'"\\ud800"',
        b'"\\udfff x"',
        b'"\\u0000"',
        b'"\x00"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
    ),
    *(b'{"a":' * levels + b"1" + b"}" * levels for levels in (260, *DEEP)),
    *(b"[" * levels + b"]" * levels for levels in (260, *DEEP)),
    b"[" + b"[]," * 200_000 + b"[]]",
    b"[" + b'{"type": "text"},' * 30_000 + b'{"type": "text"}]',
    b'"' + b"x" * 900_000 + b'"',
)
BODIES: tuple[bytes, ...] = (
    *VALUES,
    *(
        b"",
        b"{",
        b"}",
        b'{"message": "hi"',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'{"a": 1, "a": 2}',
        b"\x00",
        b"\x1f\x8b",
    ),
)


def bodies() -> Iterator[tuple[str, bytes]]:
    """Yield the path and the body of requests that have one hostile value each."""
    valid: tuple[tuple[str, dict[str, Any]], ...] = (
        ("/api/chat", CHAT | {"session_id": "s", "model": "echo"}),
        ("/v1/chat/completions", COMPLETION | {"model": "echo", "stream": True, "tools": [], "user": "u", "n": 1}),
        ("/v1/chat/completions", COMPLETION | {"stream_options": {"include_usage": True}}),
        ("/a2a", CALL),
        ("/a2a", SEND),
        ("/a2a", SEND | {"method": "message/stream"}),
    )
    for (path, fields), value in itertools.product(valid, VALUES):
        for name in fields:
            marked = json.dumps(fields | {name: "@@"}).encode()
            yield path, marked.replace(b'"@@"', value)
    nested = (
        {"role": "user", "content": "@@"},
        {"role": "@@"},
        {"role": "user", "content": [{"type": "text", "text": "@@"}]},
        "@@",
    )
    for message, value in itertools.product(nested, VALUES):
        yield "/v1/chat/completions", json.dumps({"messages": [message]}).encode().replace(b'"@@"', value)
    parts = (
        {**MESSAGE, "messageId": "@@"},
        {**MESSAGE, "contextId": "@@"},
        {**MESSAGE, "parts": ["@@"]},
        {**MESSAGE, "taskId": "@@"},
    )
    for sent, value in itertools.product(parts, VALUES):
        yield "/a2a", json.dumps(SEND | {"params": {"message": sent}}).encode().replace(b'"@@"', value)


def assert_well(agent: AgentProcess) -> None:
    """The next good request of another connection works, and nothing unexpected was logged."""
    headers = {"Authorization": f"Bearer {KEY}"}
    assert agent.http.post("/api/chat", json=CHAT, headers=headers).json()["response"] == "hi"
    assert agent.http.get("/health/live").status_code == 200
    assert agent.details().status_code == 200
    assert agent.log("unexpected error") == []


@pytest.mark.parametrize("key", [True, False], ids=["with key", "without key"])
def test_no_header_makes_a_route_fail(agent: AgentProcess, tmp_path: Path, key: bool) -> None:
    requests = Requests()
    for (method, path), header in itertools.product(routes(tmp_path), HEADERS):
        real = path.replace("{id}", "s").replace("{path}", "any")
        body = json.dumps({"/api/chat": CHAT, "/a2a": CALL}.get(path, COMPLETION)).encode() if method == "POST" else b""
        sent = request("GET" if method == "*" else method, real, body, header, key=key)
        for port in (agent.port, agent.metrics_port) if path in {"/metrics", "/health"} else (agent.port,):
            requests.add(port, sent, method, path, header[:40], port == agent.port)

    statuses = requests.statuses()

    assert {case: status for case, status in statuses.items() if status >= 500} == {}
    assert_well(agent)


def test_no_body_makes_a_route_fail(agent: AgentProcess, tmp_path: Path) -> None:
    """Bodies that are no JSON object, and objects with one hostile value."""
    posts = [path for method, path in routes(tmp_path) if method == "POST"]
    cases = [*itertools.product(posts, BODIES), *bodies()]
    assert len(cases) > 900

    requests = Requests()
    for path, body in cases:
        requests.add(agent.port, request("POST", path, body), path, body[:90], len(body))
    statuses = requests.statuses()

    assert {case: status for case, status in statuses.items() if not 200 <= status < 500} == {}
    assert_well(agent)


PATHS = (
    *(
        "/%",
        "/%ff",
        "/%00",
        "/\xff",
        "//",
        "/..",
        "/../../etc/passwd",
        "/%2e%2e/",
        "*",
        "http://x/health",
        "x",
        "/" + "a" * 7000,
    ),
    *(
        f"/api/sessions/{part}"
        for part in (
            "%",
            "%ff",
            "%00",
            "%0a",
            "a/b//c",
            "%2f",
            "%ed%a0%80%2f",
            "a" * 7000,
            "%ed%a0%80",
            "..%2f..",
            "%u0000",
            "\xff",
            "?",
            "#",
        )
    ),
    *(
        "/health?" + "a=b&" * 1500,
        "/health?%ff=%00",
        "/health#x",
        "/v1/models/%ff",
        "/.well-known/agent-card.json?x=%",
        "/ x",
    ),
)


def test_no_path_makes_the_agent_fail(agent: AgentProcess) -> None:
    """The paths do not become labels of metrics."""
    methods = ("GET", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "BREW", "\xff", "get", "G\x00T")

    requests = Requests()
    for method, path in itertools.product(methods, PATHS):
        requests.add(agent.port, request(method, path), method, path[:60])
    statuses = requests.statuses()

    assert {case: status for case, status in statuses.items() if status >= 500} == {}
    found = {name for name in agent.metrics() if name.startswith("agent_requests_total")}
    assert len({name.split('route="')[1].split('"')[0] for name in found}) < 30
    assert_well(agent)


def test_random_bytes_do_not_make_the_agent_fail(agent: AgentProcess) -> None:
    """Requests in which some bytes are replaced, removed or repeated."""
    random_source = random.Random(11)
    valid = [
        request("POST", "/api/chat", json.dumps(CHAT).encode()),
        request("POST", "/v1/chat/completions", json.dumps(COMPLETION | {"stream": True}).encode()),
        request("POST", "/a2a", json.dumps(SEND).encode()),
        request("GET", "/api/sessions/s"),
        request(
            "POST", "/api/chat", b'8\r\n{"messag\r\n7\r\ne": "x"\r\n1\r\n}\r\n0\r\n\r\n', b"Transfer-Encoding: chunked"
        ),
    ]
    requests = Requests()
    for number in range(1500):
        mutated = bytearray(random_source.choice(valid))
        for _ in range(random_source.randint(1, 4)):
            place = random_source.randrange(len(mutated))
            change = random_source.choice((bytes([random_source.randrange(256)]), b"", b"\r\n", b"\x00", b"9" * 30))
            mutated[place : place + random_source.randint(0, 3)] = change
        requests.add(agent.port, bytes(mutated), number, bytes(mutated[:300]))
    statuses = requests.statuses()

    assert {case: status for case, status in statuses.items() if status >= 500} == {}
    assert_well(agent)
