"""The worker process evaluates what tenants write, within limits, and fairly between namespaces."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_operator.sandbox import child
from agent_operator.sandbox.process import EvaluationEndedError, WorkerProcess
from agent_operator.sandbox.sandbox import _CACHE_BYTES, QUARANTINE_SECONDS, Sandbox, SandboxError
from tests.clock import ManualClock
from tests.patience import DEADLINE

EXPENSIVE = {
    "template": "{{v|title|title|title|title|title|title|title|title|title}}" * 150,
    "variables": {"v": "a b " * 1024},
}
HUGE_PATTERN = {"document": [{"regex": r"\w{900}" + "a" * number} for number in range(50)]}


def prompt(text: str) -> dict[str, Any]:
    return {"template": "{{ text }}", "variables": {"text": text}}


class FakeProcess(WorkerProcess):
    """Records requests. Each takes the CPU time that its payload names; a negative one exceeds the limit."""

    def __init__(self) -> None:
        super().__init__()
        self.evaluated: list[str] = []
        self.proceed = asyncio.Event()
        self.proceed.set()

    async def call(self, kind: str, payload: Any) -> tuple[Any, float]:
        await self.proceed.wait()
        name, seconds = payload
        self.evaluated.append(name)
        await asyncio.sleep(0)
        if seconds < 0:
            raise EvaluationEndedError(too_expensive=True)
        return {"name": name}, seconds


async def test_a_prompt_is_rendered(sandbox: Sandbox) -> None:
    assert await sandbox.evaluate("ns", "prompts", prompt("hello")) == {"text": "hello"}
    wrong = await sandbox.evaluate("ns", "prompts", {"template": "a\n{{ nobody }}", "variables": {}})
    assert wrong["error"].startswith("line 2: 'nobody' is undefined")
    assert wrong["too_large"] is False


async def test_checks_are_parsed_and_their_patterns_compiled(sandbox: Sandbox) -> None:
    text = "checks: [{regex: '(', jsonSchema: {properties: {a: {pattern: '['}}, patternProperties: {b+: {}}}}]"
    result = await sandbox.evaluate("ns", "checks", {"text": text})
    assert result["document"]["checks"][0]["regex"] == "("
    assert result["faults"]["pattern"] == {"[": "must be a regular expression", "b+": None}
    assert "unclosed group" in result["faults"]["regex"]["("]
    assert "JSON cannot represent" in (await sandbox.evaluate("ns", "checks", {"text": "a: 2020-01-01"}))["error"]


@pytest.mark.parametrize(("kind", "payload"), [("prompts", EXPENSIVE), ("checks", HUGE_PATTERN)])
async def test_what_takes_too_long_ends_and_is_not_tried_again_for_an_hour(
    process: WorkerProcess, kind: str, payload: dict[str, Any]
) -> None:
    clock = ManualClock()
    sandbox = Sandbox(clock, process)
    with pytest.raises(SandboxError) as caught:
        await sandbox.evaluate("ns", kind, payload)
    assert caught.value.too_expensive
    assert process.pid is None

    clock.now += QUARANTINE_SECONDS - 1
    with pytest.raises(SandboxError):
        await sandbox.evaluate("ns", kind, payload)
    assert process.pid is None, "it was evaluated again"
    assert await sandbox.evaluate("ns", "prompts", prompt("next")) == {"text": "next"}
    await sandbox.close()


async def test_the_process_has_neither_environment_nor_much_memory(process: WorkerProcess) -> None:
    os.environ["SANDBOX_TEST_TOKEN"] = "secret"
    try:
        await process.call("checks", {"document": []})
        await process.call("prompts", prompt("a"))
    finally:
        del os.environ["SANDBOX_TEST_TOKEN"]
    root = Path(f"/proc/{process.pid}")
    status = dict(line.split(":", 1) for line in (root / "status").read_text(encoding="ascii").splitlines())
    assert root.joinpath("environ").read_bytes().count(b"SANDBOX") == 0
    assert int(status["VmRSS"].split()[0]) < 64 * 1024
    assert root.joinpath("oom_score_adj").read_text(encoding="ascii").strip() == "1000"
    limits = root.joinpath("limits").read_text(encoding="ascii")
    assert "Max address space         268435456" in limits


async def test_a_killed_process_is_replaced(process: WorkerProcess) -> None:
    await process.call("prompts", prompt("a"))
    first = process.pid
    os.kill(first, signal.SIGKILL)
    with pytest.raises(EvaluationEndedError) as caught:
        await process.call("prompts", prompt("b"))
    assert not caught.value.too_expensive, "the request is not the cause"
    assert (await process.call("prompts", prompt("b")))[0] == {"text": "b"}
    assert process.pid != first


async def test_a_cancelled_request_does_not_confuse_the_next_one(process: WorkerProcess) -> None:
    await process.call("prompts", prompt("a"))
    task = asyncio.create_task(process.call("prompts", EXPENSIVE))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await process.call("prompts", prompt("b")))[0] == {"text": "b"}


def test_the_process_ends_with_the_operator() -> None:
    """Also if SIGKILL ends the operator."""
    script = (
        "import asyncio, os, signal\n"
        "from agent_operator.sandbox.process import WorkerProcess\n"
        "async def main():\n"
        "    process = WorkerProcess()\n"
        "    await process.call('prompts', {'template': '{{ a }}', 'variables': {'a': 'b'}})\n"
        "    os.write(1, str(process.pid).encode())\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    operator = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=DEADLINE, check=False)
    pid = int(operator.stdout)
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # The descriptor is readable when the process has ended.
        ready = asyncio.run(_readable(descriptor))
    finally:
        os.close(descriptor)
    assert ready


async def _readable(descriptor: int) -> bool:
    readable = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, readable.set)
    async with asyncio.timeout(DEADLINE):
        return await readable.wait()


def test_the_process_imports_neither_pydantic_nor_the_rest_of_the_operator_for_a_prompt() -> None:
    script = (
        "import sys\nfrom agent_operator.sandbox import child, prompts\n"
        "print(*(name for name in sys.modules if name.startswith(('agent_', 'pydantic', 'kopf', 'aiohttp'))))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert child.__name__ in done.stdout.split()
    assert set(done.stdout.split()) <= {
        "agent_operator",
        "agent_operator.inputs",
        "agent_operator.inputs.prompt",
        "agent_operator.sandbox",
        "agent_operator.sandbox.child",
        "agent_operator.sandbox.limits",
        "agent_operator.sandbox.prompts",
    }


async def test_equal_requests_are_evaluated_once() -> None:
    process = FakeProcess()
    sandbox = Sandbox(ManualClock(), process)
    results = await asyncio.gather(*(sandbox.evaluate("ns", "fake", ["a", 0.0]) for _ in range(5)))
    assert results == [{"name": "a"}] * 5
    assert process.evaluated == ["a"]
    await sandbox.close()


async def test_the_cache_is_limited_in_bytes() -> None:
    process = FakeProcess()
    sandbox = Sandbox(ManualClock(), process)
    large = "x" * (_CACHE_BYTES // 3)
    for number in (1, 2, 3, 1, 3):
        await sandbox.evaluate("ns", "fake", [f"{number}{large}", 0.0])
    assert [name[0] for name in process.evaluated] == ["1", "2", "3", "1"]
    await sandbox.close()


async def test_a_namespace_that_used_less_time_is_next() -> None:
    process = FakeProcess()
    sandbox = Sandbox(ManualClock(), process)
    process.proceed.clear()
    names = [("a", f"a{number}") for number in range(20)] + [("b", "b0")]
    tasks = [asyncio.create_task(sandbox.evaluate(ns, "fake", [name, 0.01])) for ns, name in names]
    await asyncio.sleep(0)
    process.proceed.set()
    await asyncio.gather(*tasks)
    assert process.evaluated.index("b0") == 1
    await sandbox.close()


async def test_a_namespace_has_a_limited_number_of_expensive_attempts() -> None:
    clock, process = ManualClock(), FakeProcess()
    sandbox = Sandbox(clock, process)

    async def attempt(name: str) -> bool:
        with pytest.raises(SandboxError) as caught:
            await sandbox.evaluate("ns", "fake", [name, -1.0])
        return caught.value.too_expensive

    outcomes = [await attempt(f"a{number}") for number in range(20)]
    assert outcomes == [True] * len(process.evaluated) + [False] * (20 - len(process.evaluated))
    assert 3 < len(process.evaluated) < 10
    assert await sandbox.evaluate("other", "fake", ["b", 0.0]) == {"name": "b"}

    clock.now += 60
    assert await attempt("later"), "the use is forgotten after a while"
    await sandbox.close()


async def test_an_expensive_namespace_does_not_wait_with_many_requests() -> None:
    """Each request that waits holds a worker of the operator."""
    process = FakeProcess()
    sandbox = Sandbox(ManualClock(), process)
    with pytest.raises(SandboxError):
        await sandbox.evaluate("ns", "fake", ["expensive", -1.0])
    process.proceed.clear()
    tasks = [asyncio.create_task(sandbox.evaluate("ns", "fake", [f"a{number}", 0.0])) for number in range(5)]
    done, pending = await asyncio.wait(tasks, timeout=0.1)
    assert (len(done), len(pending)) == (4, 1)
    process.proceed.set()
    await asyncio.wait(pending)
    assert sum(isinstance(task.exception(), SandboxError) for task in tasks) == 4
    await sandbox.close()


async def test_a_cancelled_wait_passes_the_turn_on() -> None:
    process = FakeProcess()
    sandbox = Sandbox(ManualClock(), process)
    process.proceed.clear()
    first, second, third = (
        asyncio.create_task(sandbox.evaluate(name, "fake", [name, 0.0])) for name in ("a", "b", "c")
    )
    await asyncio.sleep(0)
    second.cancel()
    process.proceed.set()
    assert list(await asyncio.gather(first, third)) == [{"name": "a"}, {"name": "c"}]
    await sandbox.close()


@pytest.fixture(autouse=True)
def no_process_remains() -> Iterator[None]:
    yield
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children if Path(f"/proc/{pid}").exists()]
    assert not any(b"agent_operator.sandbox.child" in command for command in commands)
