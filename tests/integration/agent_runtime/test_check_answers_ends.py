"""`agent-runtime check-answers`: unreachable agents, wrong usage, and exit codes."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.agent_runtime.checking import Checking, Json, check, with_config
from tests.integration.agent_runtime.conftest import ECHO, AgentProcess, StartAgent, agent_toml, openai_model
from tests.integration.agent_runtime.processes import ModelServer
from tests.patience import DEADLINE, free_port
from tests.polling import eventually


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent whose default model is the fake model server, with an echo model."""
    config = agent_toml(openai_model(shared_model_server), ECHO)
    return start_shared_agent(config).ready()


@pytest.fixture
def checking(tmp_path: Path) -> Checking:
    """The command in a temporary folder."""
    return Checking(tmp_path)


def test_the_command_waits_for_an_agent_that_is_down(start_agent: StartAgent, checking: Checking) -> None:
    """--wait limits the wait. After it every check is an error."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    code, _, err = checking.run(url, check("a"), check("b"), arguments=("--wait", "0"))
    assert (code, set(checking.outcomes.values())) == (
        1,
        {("error", "the agent cannot be reached: Connection refused")},
    ), err

    process = checking.start(url, check("a", contains=["hi"]), arguments=("--wait", str(3 * DEADLINE)))
    with process:
        assert process.stderr is not None
        assert process.stderr.readline() == "waiting: the agent cannot be reached: Connection refused\n"
        start_agent(agent_toml(ECHO), PORT_HTTP=str(port))
        process.communicate(timeout=3 * DEADLINE)
    assert (process.returncode, checking.outcomes) == (0, {"a": ("passed", "")})


def test_an_overloaded_agent_is_retried(start_agent: StartAgent, model_server: ModelServer, checking: Checking) -> None:
    """The command retries after the time in Retry-After."""
    limits = "[agent.limits]\nmax_concurrent_requests = 1\n"
    busy = start_agent(agent_toml(openai_model(model_server), memory=limits)).ready()
    model_server.script(completions=[{"step_by_step": True, "always": True}])
    model_server.go()
    streaming = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    with (
        busy.http.stream("POST", "/v1/chat/completions", json=streaming) as stream,
        checking.start(busy, check("a")) as process,
    ):
        assert process.stderr is not None
        assert process.stderr.readline() == "waiting: the agent answered 503 overloaded\n"
        model_server.script(completions=[])
        for _ in range(20):
            model_server.go()
        stream.read()
        process.communicate(timeout=3 * DEADLINE)

    assert (process.returncode, checking.outcomes) == (0, {"a": ("passed", "")})


def test_keys_come_from_a_file(start_agent: StartAgent, checking: Checking, tmp_path: Path) -> None:
    """The file is an argument or part of --config. Without a key, the error of the agent names the argument."""
    keys = tmp_path / "keys"
    keys.write_text("\n key-one \nkey-two\n")
    guarded = start_agent(agent_toml(ECHO, memory=f'[agent.server]\napi_keys_file = "{keys}"\n')).ready()
    hello = check("a", contains=["hi"])

    assert checking.run(guarded, hello)[0] == 1
    assert checking.outcomes["a"] == ("error", "the agent requires an API key: set --api-keys-file")
    assert checking.run(guarded, hello, arguments=("--api-keys-file", str(keys)))[0] == 0
    assert checking.run(guarded, hello, arguments=with_config(guarded))[0] == 0
    keys.write_text("\n")
    code, _, err = checking.run(guarded, hello, arguments=("--api-keys-file", str(keys)))
    assert (code, err) == (2, f"--api-keys-file: {keys}: contains no key: write one key per line\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_with_a_partial_report(
    agent: AgentProcess, model_server: ModelServer, checking: Checking, number: signal.Signals
) -> None:
    """The exit code is 128 plus the number of the signal. The model calls of the agent are closed."""
    model_server.script(completions=[{"delay": 3600, "always": True}])
    quick = check("quick", model="echo", contains=["hi"])

    with checking.start(agent, check("slow"), quick) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "[1/2] quick: passed\n"
        eventually("the model is called", lambda: model_server.seen("/chat/completions"))
        process.send_signal(number)
        out, _ = process.communicate(timeout=DEADLINE)

    assert process.returncode == 128 + number
    assert checking.outcomes == {"slow": ("error", "interrupted"), "quick": ("passed", "")}
    assert checking.report["passed"] is False
    assert "2 checks: 1 passed, 0 failed, 1 error" in out
    eventually("the model call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])


def test_the_timeout_limits_the_whole_run(agent: AgentProcess, model_server: ModelServer, checking: Checking) -> None:
    """Unfinished checks are errors. --report replaces the termination message."""
    model_server.script(completions=[{"delay": 3600, "always": True}])
    report = checking.directory / "report.json"

    code, _, err = checking.run(
        agent, *(check(f"c{n}") for n in range(3)), arguments=("--timeout", "1", "--report", str(report))
    )

    assert code == 1, err
    results = json.loads(report.read_bytes())["checks"]
    reason = "not done within 1 s, the time limit of all checks"
    assert {(result["outcome"], result["reason"]) for result in results} == {("error", reason)}
    assert not checking.message.exists()


def test_an_unwritable_report_is_an_error(agent: AgentProcess, checking: Checking) -> None:
    """The error names the path. A closed stdout does not prevent the report."""
    hello = check("a", model="echo", contains=["hi"])
    code, out, err = checking.run(agent, hello, arguments=("--report", "/nowhere/report"))
    last = "--report: /nowhere/report: No such file or directory: choose a path that can be written"
    assert (code, err.splitlines()[-1]) == (2, last)
    assert out.endswith("1 check: 1 passed, 0 failed, 0 error\n")

    with checking.start(agent, hello) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(3 * DEADLINE) == 0
    assert checking.outcomes == {"a": ("passed", "")}


JUDGE = {"model": "gpt", "criterion": "Is polite."}


@pytest.mark.parametrize(
    ("checks", "arguments", "message"),
    [
        ([check("A")], lambda _: (), "checks[0].name: String should match pattern"),
        ([check("a", regex="(")], lambda _: (), "checks[0].regex: not a regular expression"),
        ([check("a", jsonSchema={"properties": {"n": {"multipleOf": -1}}})], lambda _: (), "checks[0].jsonSchema.prop"),
        ([check("a", judge=JUDGE)], lambda _: (), "checks[0].judge: needs the agent's models: set --config"),
        (
            [check("a", judge=JUDGE | {"model": "x"})],
            with_config,
            "checks[0].judge.model: x is not one of models: gpt,",
        ),
        ([check("a")], lambda _: ("--config", "/nowhere/agent.toml"), "/nowhere/agent.toml: No such file"),
        ([check("a")], lambda _: ("--api-keys-file", "/nowhere/keys"), "--api-keys-file: /nowhere/keys: No such file"),
    ],
)
def test_invalid_files_are_reported_before_any_request(
    agent: AgentProcess,
    model_server: ModelServer,
    checking: Checking,
    checks: list[Json],
    arguments: Callable[[AgentProcess], tuple[str, ...]],
    message: str,
) -> None:
    """The exit code is 2. stderr and the termination message name the field."""
    code, out, err = checking.run(agent, *checks, arguments=arguments(agent))

    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.strip() == checking.message.read_text()
    assert model_server.seen("/chat/completions") == []


@pytest.mark.parametrize(
    "arguments",
    [("--url", "ftp://x"), ("--concurrency", "0"), ("--timeout", "-1"), ("--timeout", "soon"), ("--output", "xml")],
)
def test_an_invalid_argument_is_named(checking: Checking, arguments: tuple[str, str]) -> None:
    """The exit code is 2."""
    code, _, err = checking.run("http://127.0.0.1:1", check("a"), arguments=arguments)

    assert code == 2
    assert f"{arguments[0]}: " in err
