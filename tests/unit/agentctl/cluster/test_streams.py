"""Watches and pages of a kubectl that prints what a test wants."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agentctl.cluster import agent_events, kubectl, port_forward
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.watch import watch
from agentctl.errors import CommandError

Program = Callable[[str], None]
AGENT = {"metadata": {"name": "web", "namespace": "team"}}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Replace kubectl by a Python script."""

    def write(script: str) -> None:
        path = tmp_path / "kubectl"
        path.write_text(f"#!{sys.executable}\nimport json, sys, time\n{script}", encoding="utf-8")
        path.chmod(0o755)
        monkeypatch.setattr(kubectl, "binary", lambda: str(path))

    return write


@pytest.mark.parametrize("indent", [None, 4])
def test_a_watch_yields_compact_and_indented_objects_until_it_ends(indent: int | None, program: Program) -> None:
    changes = [{"type": kind, "object": {"text": "}\n{"}} for kind in ("ADDED", "DELETED")]
    program(f"for it in {changes!r}: print(json.dumps(it, indent={indent}))")

    assert [(event.type, event.object) for event in watch(Kubectl(), "pods")] == [
        (item["type"], item["object"]) for item in changes
    ]


def test_a_watch_that_fails_is_an_error_with_the_remedy(program: Program) -> None:
    message = 'Error from server (Forbidden): pods is forbidden: User \\"u\\" cannot watch resource \\"pods\\"'
    program(f'sys.stderr.write("{message}\\n"); sys.exit(1)')

    with pytest.raises(CommandError, match=r'User "u" cannot watch resource "pods": ask for a role with this right'):
        list(watch(Kubectl(), "pods"))


def test_a_watch_reads_endless_errors_and_ends_with_its_reader(program: Program) -> None:
    """A kubectl would wait if nobody read its standard error."""
    program('sys.stderr.write("x" * 1_000_000)\nprint(\'{"type": "ADDED", "object": {}}\', flush=True)\ntime.sleep(60)')

    events = watch(Kubectl(), "pods")

    assert next(events).type == "ADDED"
    events.close()  # type: ignore[attr-defined]  # a generator


PAGES = """
path = next(it for it in sys.argv if it.startswith("--raw="))
number = int(path.rpartition("continue=")[2]) if "continue=" in path else 0
time = f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z"
event = lambda name: {"involvedObject": {"kind": "AgentDeployment", "name": name}, "lastTimestamp": time,
    "metadata": {"uid": f"{number}"}}
token = str(number + 1) if number + 1 < PAGES else ""
print(json.dumps({"metadata": {"continue": token}, "items": [event("web"), event("other")]}))
"""


@pytest.mark.parametrize(("pages", "read", "complete"), [(1, 1, True), (4, 4, True), (9, 5, False)])
def test_events_are_read_in_pages_up_to_a_limit(
    pages: int, read: int, complete: bool, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(PAGES.replace("PAGES", str(pages)))
    monkeypatch.setattr(agent_events, "_MAX_PAGES", 5)
    monkeypatch.setattr(agent_events, "_MAX_KEPT", 2)

    found, whole = agent_events.read(Kubectl(), AGENT)

    assert [event["metadata"]["uid"] for event in found] == [str(number) for number in range(read)][-2:]
    assert whole is complete


def test_a_port_that_cannot_be_forwarded_is_an_error(program: Program) -> None:
    program('sys.stderr.write("error: unable to listen on any of the requested ports: [{80 8000}]\\n"); sys.exit(1)')

    with pytest.raises(CommandError, match="unable to listen on any of the requested ports"):
        port_forward.forwarded(Kubectl(), "web-1", 8000, 80).__enter__()


def test_a_kubectl_that_does_not_listen_is_stopped(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program("time.sleep(60)")
    monkeypatch.setattr(port_forward, "TIMEOUT", 0.2)

    with pytest.raises(CommandError, match=r"did not listen within 0\.2 s: check the connection"):
        port_forward.forwarded(Kubectl(), "web-1", 8000).__enter__()


def test_the_url_of_a_forwarded_port_has_the_port_of_this_machine(program: Program) -> None:
    program('print("Forwarding from 127.0.0.1:41234 -> 8000\\n" * 50_000, flush=True); time.sleep(60)')

    with port_forward.forwarded(Kubectl(), "web-1", 8000) as forward:
        assert forward.url == "http://127.0.0.1:41234"
        assert forward.is_open
    assert not forward.is_open
