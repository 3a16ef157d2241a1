"""Models and MCP servers that send endless or malformed data. The agent stays alive, small and useful."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.integration.agent_runtime.conftest import ECHO, AgentProcess, StartAgent, agent_toml, openai_model
from tests.integration.agent_runtime.hostile_server import COMPLETE, ENDLESS
from tests.integration.agent_runtime.processes import ModelServer
from tests.integration.agent_runtime.test_tools import call, calling, tool_results
from tests.patience import DEADLINE
from tests.polling import eventually

SERVER = Path(__file__).parent / "hostile_server.py"
# A response has at most 16 MiB, and is in memory up to three times while it grows.
GROWTH = 64 * 1024 * 1024
# Seconds for /health/live while the machine runs other tests. A blocked event loop would take minutes.
SLOW = 10.0
MODELS = [name for name in (*ENDLESS, *COMPLETE) if name != "trickle"]
COMPLETION = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def hostile_url() -> Iterator[str]:
    """The URL of the hostile server."""
    process = subprocess.Popen([sys.executable, SERVER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    process.kill()
    process.communicate()


def model(name: str, url: str) -> str:
    return f'name = "{name}"\nprovider = "openai"\nbase_url = "{url}/{name}"'


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, hostile_url: str) -> AgentProcess:
    """An agent with an echo model and one hostile model per response."""
    toml = agent_toml(ECHO, *(model(name, hostile_url) for name in MODELS[:30]))
    return start_shared_agent(toml, OPENAI_API_KEY="sk-canary-openai-3c1f").ready()


@pytest.fixture(scope="module")
def other_agent(start_shared_agent: StartAgent, hostile_url: str) -> AgentProcess:
    """The models that do not fit into the first agent."""
    limits = "[agent.limits]\nrequest_timeout_seconds = 2\n"
    toml = agent_toml(ECHO, *(model(name, hostile_url) for name in [*MODELS[30:], "trickle"]), memory=limits)
    return start_shared_agent(toml, OPENAI_API_KEY="sk-canary-openai-3c1f").ready()


def memory(agent: AgentProcess) -> tuple[int, int]:
    """Return the present and the largest resident memory of an agent in bytes, and reset the largest."""
    process = Path(f"/proc/{agent.process.pid}")
    fields = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    (process / "clear_refs").write_text("5")
    return int(fields["VmRSS"].split()[0]) * 1024, int(fields["VmHWM"].split()[0]) * 1024


@contextmanager
def watched(agent: AgentProcess) -> Iterator[None]:
    """Check that the agent answers its liveness probe and does not grow in the block."""
    ended, latencies = threading.Event(), [0.0]
    agent.http.post("/api/chat", json={"message": "hi", "model": "echo"})
    resident, _ = memory(agent)

    def probe() -> None:
        url = f"http://127.0.0.1:{agent.port}/health/live"
        while not ended.wait(0.05):
            begun = time.perf_counter()
            assert httpx2.get(url, timeout=DEADLINE, verify=False).status_code == 200
            latencies.append(time.perf_counter() - begun)

    probing = threading.Thread(target=probe)
    probing.start()
    try:
        yield
    finally:
        ended.set()
        probing.join()
    _, largest = memory(agent)
    assert largest - resident < GROWTH, f"{(largest - resident) >> 20} MiB"
    assert max(latencies) < SLOW
    assert agent.http.post("/api/chat", json={"message": "well", "model": "echo"}).json()["response"] == "well"
    assert agent.log("unexpected error") == []


@pytest.mark.parametrize("name", [*MODELS, "trickle"])
def test_a_hostile_model_gives_a_problem_and_no_more(agent: AgentProcess, other_agent: AgentProcess, name: str) -> None:
    """On every route, streamed and whole."""
    target = agent if name in MODELS[:30] else other_agent
    with watched(target):
        for stream in (False, True):
            accept = {"Accept": "text/event-stream"} if stream else {}
            body = COMPLETION | {"model": name, "stream": stream}
            responses = [target.http.post("/v1/chat/completions", json=body, timeout=DEADLINE)]
            if name in ENDLESS:
                message = {"message": "hi", "model": name}
                responses.append(target.http.post("/api/chat", json=message, headers=accept, timeout=DEADLINE))
            for response in responses:
                assert response.status_code in {200, 400, 429, 502, 503, 504}, response.text[:300]


TOOL_SERVERS = {
    "endless line": "while True: sys.stdout.write('x' * 65536)",
    "endless lines": "while True: print('log')",
    "endless requests": """n = 0
while True:
    n += 1
    print('{"jsonrpc":"2.0","id":%d,"method":"ping"}' % n)""",
    "endless notifications": """while True:
    print('{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}')""",
    "endless stderr": "while True: sys.stderr.write('x' * 65536)",
    "values": "print('[' + '[],' * 3_000_000)\nwhile sys.stdin.readline(): pass",
    "deep": "print('[' * 1_000_000)\nwhile sys.stdin.readline(): pass",
    "endless pages": """import json
for line in sys.stdin:
    m = json.loads(line)
    if m.get('method') == 'initialize':
        server = {'name': 'x', 'version': '1'}
        r = {'result': {'protocolVersion': '2025-06-18', 'capabilities': {'tools': {}}, 'serverInfo': server}}
    elif m.get('method') == 'tools/list':
        tools = [{'name': 't%d' % n, 'inputSchema': {'type': 'object', 'description': 'x' * 1000}} for n in range(200)]
        r = {'result': {'tools': tools, 'nextCursor': 'again'}}
    else:
        r = {'error': {'code': -32601, 'message': 'no'}}
    if 'id' in m:
        print(json.dumps({'jsonrpc': '2.0', 'id': m['id']} | r), flush=True)""",
}


@pytest.mark.parametrize("program", TOOL_SERVERS.values(), ids=TOOL_SERVERS)
def test_a_hostile_process_is_stopped(start_agent: StartAgent, tmp_path: Path, program: str) -> None:
    """The agent reports it as unhealthy, and works without its tools."""
    script = tmp_path / "server.py"
    script.write_text(f"import sys\n{program}\n")
    tools = f'[[agent.mcp]]\nname = "t"\ntype = "stdio"\ncommand = "{sys.executable}"\nargs = ["{script}"]\n'
    agent = start_agent(agent_toml(ECHO, memory=tools)).ready()

    with watched(agent):
        eventually("the server is reported", lambda: '"error":"t: ' in agent.details().text)


@pytest.mark.parametrize("name", ["body", "values", "line", "comments", "pings", "headers", "gzip"])
def test_a_hostile_http_server_is_disconnected(start_agent: StartAgent, hostile_url: str, name: str) -> None:
    tools = f'[[agent.mcp]]\nname = "t"\ntype = "http"\nurl = "{hostile_url}/{name}"\n'
    agent = start_agent(agent_toml(ECHO, memory=tools)).ready()

    with watched(agent):
        eventually("the server is reported", lambda: '"error":"t: ' in agent.details().text)


def test_a_hostile_schema_of_results_does_not_prevent_a_call(
    start_agent: StartAgent, model_server: ModelServer, tmp_path: Path
) -> None:
    """Results are not checked against a schema."""
    script = tmp_path / "server.py"
    script.write_text("""import json, sys
results = {'type': 'object', 'properties': {'a': {'pattern': '^(a+)+$'}}}
tool = {'name': 't', 'inputSchema': {'type': 'object'}, 'outputSchema': results}
for line in sys.stdin:
    m = json.loads(line)
    if m.get('method') == 'initialize':
        r = {'result': {'protocolVersion': '2025-06-18', 'capabilities': {'tools': {}},
             'serverInfo': {'name': 'x', 'version': '1'}}}
    elif m.get('method') == 'tools/list':
        r = {'result': {'tools': [tool]}}
    elif m.get('method') == 'tools/call':
        content = [{'type': 'text', 'text': 'fine'}]
        r = {'result': {'content': content, 'structuredContent': {'a': 'a' * 60 + '!'}}}
    else:
        r = {'error': {'code': -32601, 'message': 'no'}}
    if 'id' in m:
        print(json.dumps({'jsonrpc': '2.0', 'id': m['id']} | r), flush=True)
""")
    tools = f'[[agent.mcp]]\nname = "s"\ntype = "stdio"\ncommand = "{sys.executable}"\nargs = ["{script}"]\n'
    agent = start_agent(agent_toml(openai_model(model_server), ECHO, memory=tools)).ready()
    eventually("connected", lambda: agent.details().json()["status"] == "healthy")
    model_server.script(completions=[calling(call("s__t"))])

    with watched(agent):
        assert agent.http.post("/api/chat", json={"message": "go"}).json()["response"] == "model: fine"

    assert tool_results(model_server) == ["fine"]
