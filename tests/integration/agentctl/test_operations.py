"""The commands that observe and operate a running agent: list, events, logs, chat, open, restart, scale."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from agentctl import reference
from agentctl.cluster import kubectl
from agentctl.permissions import required
from tests import fast_yaml as yaml

pytestmark = pytest.mark.kubelet

BIN = Path(sys.executable).parent
AGENT = {
    "apiVersion": "agent-operator.dev/v1alpha1",
    "kind": "AgentDeployment",
    "metadata": {"name": "ops", "namespace": "default", "labels": {"team": "ops"}},
    "spec": {
        "replicas": 2,
        "config": {"models": [{"name": "echo", "provider": "echo"}], "chatPage": {"enabled": True}},
        "rollout": {"rollingUpdate": {"maxSurge": 2}},
    },
}
Agentctl = Callable[..., Any]
Start = Callable[..., Any]


@pytest.fixture(scope="module")
def ops(cluster: Any) -> Any:
    path = cluster.directory / "ops.yaml"
    path.write_text(yaml.safe_dump(AGENT), encoding="utf-8")
    cluster.kubectl("apply", "-f", path)
    cluster.kubectl("wait", "agd/ops", "--for=condition=Ready", "--timeout=120s")
    return cluster


@pytest.fixture(autouse=True)
def _kubeconfig(ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(ops.kubeconfig))


@contextmanager
def started(*arguments: str, stdin: Any = subprocess.DEVNULL) -> Iterator["subprocess.Popen[str]"]:
    """Run agentctl until the end of the block."""
    process = subprocess.Popen(
        [BIN / "agentctl", *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()


def read_until(process: Any, pattern: str) -> str:
    """Return the first line of the output that matches; the test's timeout ends a wait."""
    for line in process.stdout:
        if re.search(pattern, line):
            return str(line)
    raise AssertionError(f"no line matches {pattern}: {process.stderr.read()}")


def pod_names(cluster: Any) -> set[str]:
    names: str = cluster.kubectl("get", "pods", "-l", "agent-operator.dev/agent=ops", "-o", "name")
    return {line.removeprefix("pod/") for line in names.split()}


def test_list_shows_version_phase_ready_pods_and_model(agentctl: Agentctl) -> None:
    text = agentctl("list", "-l", "team=ops").stdout.splitlines()
    (entry,) = json.loads(agentctl("list", "-A", "-l", "team=ops", "-o", "json").stdout)["agents"]
    none = agentctl("list", "-l", "team=none")

    assert text[0].split() == ["NAME", "VERSION", "PHASE", "READY", "MODEL", "CHANNEL", "AGE"]
    assert text[1].split()[2:5] == ["Ready", "2/2", "echo"]
    assert (entry["namespace"], entry["name"], entry["phase"], entry["channel"]) == ("default", "ops", "Ready", "")
    assert (none.returncode, none.stdout) == (0, "")
    assert none.stderr.startswith("no AgentDeployments found in this namespace: list all namespaces with")


def test_events_are_those_of_the_agent_its_children_and_its_pods(agentctl: Agentctl) -> None:
    lines = agentctl("events", "ops").stdout.splitlines()
    objects = {line.split()[3].split("/")[0] for line in lines[1:]}

    assert {"pod", "replicaset", "deployment", "agentdeployment"} <= objects
    assert all("/ops" in line for line in lines[1:])
    assert json.loads(agentctl("events", "ops", "-o", "json").stdout)["events"]
    # A probe of a slow start may have failed.
    warnings = json.loads(agentctl("events", "ops", "--warnings", "-o", "json").stdout)["events"]
    assert {event["type"] for event in warnings} <= {"Warning"}


def test_logs_of_all_pods_are_merged_by_time(agentctl: Agentctl, ops: Any) -> None:
    lines = [json.loads(line) for line in agentctl("logs", "ops", "-o", "json").stdout.splitlines()]

    assert {line["pod"] for line in lines} == pod_names(ops)
    times = [line["time"] for line in lines]
    assert times == sorted(times)
    assert any('"message":"listening"' in line["message"] for line in lines)
    pod = lines[0]["pod"]
    assert agentctl("logs", "ops", "--pod", pod, "--tail", "1").stdout.startswith(f"[{pod}] {{")
    assert agentctl("logs", "ops", "-c", "sidecar").stderr == (
        "error: the pods have no container sidecar: choose one of agent\n"
    )


def test_chat_streams_answers_from_standard_input_and_keeps_the_session(ops: Any) -> None:
    with started("chat", "ops", "--session", "s-1", stdin=subprocess.PIPE) as chat:
        out, err = chat.communicate("Hello\n\n/new\nAgain\n/quit\nnever\n")

    assert (chat.returncode, err) == (0, "")
    assert out == "Hello\n[new conversation]\nAgain\n"


def test_a_restart_replaces_all_pods_which_list_logs_and_chat_follow(ops: Any, agentctl: Agentctl) -> None:
    before = pod_names(ops)
    with (
        started("logs", "ops", "--follow", "--tail", "0") as logs,
        started("list", "--watch", "-l", "team=ops") as listed,
        started("events", "ops", "--watch") as events,
        started("chat", "ops", stdin=subprocess.PIPE) as chat,
    ):
        chat.stdin.write("Before\n")
        chat.stdin.flush()
        assert chat.stdout.readline() == "Before\n"
        read_until(listed, r"^ops .* Ready ")

        done = agentctl("restart", "ops", "--wait", "--timeout", "90")

        assert done.returncode == 0, done.stderr
        assert "of 2 pods are replaced and ready" in done.stderr
        assert re.match(r"\[ops-\S+\] .*listening", read_until(logs, "listening"))
        read_until(listed, r"^ops .* RollingOut ")
        read_until(events, r"SuccessfulCreate .* Created pod: ops-")
        ops.kubectl("wait", *(f"pod/{name}" for name in before), "--for=delete", "--timeout=60s")
        # The pod of the conversation is gone. The first message may fail, and the next one goes to another pod.
        out, err = chat.communicate("Lost\nAfter\n")
    assert out.splitlines()[-1] == "After"
    assert re.search(r"connected to pod ops-\S+: without Redis, it does not know", err)


def test_a_watch_ends_when_the_reader_of_its_pipe_does(ops: Any) -> None:
    with started("list", "--watch", "-l", "team=ops") as listed:
        listed.stdout.readline()
        listed.stdout.close()
        ops.kubectl("annotate", "agd", "ops", "example.com/touched=1")
        ops.kubectl("patch", "agd", "ops", "--type=merge", "--patch", '{"spec":{"suspend":true}}')
        assert listed.wait(60) == 0
    ops.kubectl("patch", "agd", "ops", "--type=merge", "--patch", '{"spec":{"suspend":null}}')


def test_open_forwards_a_port_to_the_chat_page(agentctl: Agentctl) -> None:
    with started("open", "ops") as page:
        url = page.stdout.readline().strip()
        with urllib.request.urlopen(url, timeout=10) as response:
            assert b"<title>Agent</title>" in response.read()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)


def test_scale_sets_the_replicas_and_waits_for_the_pods(ops: Any, agentctl: Agentctl) -> None:
    done = json.loads(agentctl("scale", "ops", "--replicas", "1", "--wait", "-o", "json").stdout)

    assert done == {"name": "ops", "replicas": 1, "before": 2, "ready": "1/1"}
    assert ops.kubectl("get", "agd", "ops", "-o", "jsonpath={.spec.replicas}") == "1"
    assert agentctl("scale", "ops", "--replicas", "-1").stderr.startswith("error: Invalid value for '--replicas'")


RECORDER = """#!/bin/sh
exec {kubectl} -v=6 "$@" 2>>{log}
"""
_REQUEST = re.compile(r'verb="([A-Z]+)" url="([^"]+)"')
_METHODS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def rbac_request(method: str, url: str) -> tuple[str, str] | None:
    """Return the verb and the resource of a request as RBAC names them; None for discovery."""
    parts = urlsplit(url)
    match parts.path.strip("/").split("/"):
        case ["api", "v1", *rest]:
            group = ""
        case ["apis", group, _, *rest] if rest:
            pass
        case _:
            return None
    rest = rest[2:] if rest[:1] == ["namespaces"] and len(rest) > 2 else rest
    if not rest:
        return None
    plural, name, sub = [*rest, "", ""][:3]
    resource = f"{plural}.{group}" if group else plural
    read = "watch" if "watch" in parse_qs(parts.query) else "get" if name else "list"
    return _METHODS.get(method, read), f"{resource}/{sub}" if sub else resource


def declared(command: str) -> set[tuple[str, str]]:
    """Return the permissions that a command always needs."""
    found = required(dict(reference.commands())[command].callback)
    return {(verb, it) for item in found if not item.condition for verb in item.verbs for it in item.resources}


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("list", []),
        ("events", ["ops"]),
        ("logs", ["ops"]),
        ("restart", ["ops"]),
        ("scale", ["ops", "--replicas", "1"]),
        ("status", ["ops"]),
        ("rollout status", ["ops"]),
        ("history", ["ops"]),
    ],
)
def test_a_command_uses_exactly_the_permissions_that_it_declares(
    command: str, arguments: list[str], agentctl: Agentctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, log = tmp_path / "kubectl", tmp_path / "log"
    script.write_text(RECORDER.format(kubectl=BIN / "kubectl", log=log), encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(kubectl, "binary", lambda: str(script))

    done = agentctl(*command.split(), *arguments)

    assert done.returncode == 0, done.stderr
    requests = (rbac_request(*match) for match in _REQUEST.findall(log.read_text(encoding="utf-8")))
    assert set(filter(None, requests)) == declared(command)
