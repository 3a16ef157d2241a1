"""Hostile text in objects of the cluster, in files and in errors never reaches the terminal as it is."""

import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.text import Text

from agent_runtime.config.terminal import is_printable
from agentctl.__main__ import run
from agentctl.cluster import kubectl
from agentctl.ui.console import SafeConsole, table

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202efdp\x00\x7f\r\u2066"
Object = dict[str, Any]
STUB = """#!{python}
import json, sys
objects = json.load(open({path!r}))
words = " ".join(sys.argv[1:])
if "fail" in words:
    sys.stderr.write(objects["error"])
    sys.exit(1)
kinds = ("controllerrevision", "agentruntimechannel", "event", "pod", "agentdeployment")
kind = next((kind for kind in kinds if kind in words.lower()), "child")
items = objects.get(kind, [])
print(json.dumps({{"kind": "List", "items": items}}))
"""


META: Object = {
    "name": "web",
    "namespace": "team",
    "uid": "u",
    "generation": 1,
    "creationTimestamp": "2026-01-01T00:00:00Z",
}
CONDITIONS = [
    {
        "type": kind,
        "status": "False",
        "reason": "RolledBack",
        "message": f"pod web-1: it said {EVIL}",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
    for kind in ("Ready", "Progressing", "Stalled", "Warning")
]
STATUS: Object = {
    "observedGeneration": 1,
    "conditions": CONDITIONS,
    "ready": f"0/1{EVIL}",
    "model": f"gpt{EVIL}",
    "runtimeVersion": f"1{EVIL}",
    "url": f"http://web{EVIL}",
    "revision": "abc",
    "lastGoodRevision": "abc",
    "rollout": {"stable": "abc", "target": "abc"},
    "lastFailure": {"pod": f"web-1{EVIL}", "reason": f"Error{EVIL}", "exitCode": 1, "message": f"bye{EVIL}"},
    "children": [{"apiVersion": "v1", "kind": "Service", "name": "web", "namespace": "team", "ready": True}],
}
SPEC: Object = {
    "config": {"models": [{"name": "e", "provider": "echo"}]},
    "systemPrompt": {"text": f"Hello {EVIL[:-4]} \u202e."},
}
AGENT: Object = {
    "apiVersion": "agent-operator.dev/v1alpha1",
    "kind": "AgentDeployment",
    "metadata": META,
    "spec": SPEC,
    "status": STATUS,
}


def _revision(number: int) -> Object:
    owner = {"apiVersion": AGENT["apiVersion"], "kind": AGENT["kind"], "name": "web", "uid": "u", "controller": True}
    names = ("config-map", "inputs", "runtime-version")
    name = f"{number}bc"
    return {
        "kind": "ControllerRevision",
        "metadata": META
        | {
            "name": f"web-{name}",
            "labels": {"agent-operator.dev/revision": name},
            "annotations": {f"agent-operator.dev/{key}": f"x{EVIL}" for key in names},
            "ownerReferences": [owner],
        },
        "revision": number,
        "data": {
            "template": {
                "metadata": {"annotations": {"note": f"{number}{EVIL}"}},
                "spec": {"containers": [{"name": "agent", "image": f"image-{number}{EVIL}"}]},
            },
            "config": {"system_prompt.txt": f"{number} {EVIL}\nb", "agent.toml": f"# {number}{EVIL}"},
            "egress": [{"to": [{"ipBlock": {"cidr": f"{number}{EVIL}"}}]}],
            "model": f"m{EVIL}",
        },
    }


CHANNEL: Object = {
    "kind": "AgentRuntimeChannel",
    "metadata": {"name": "stable", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {"version": f"1.0{EVIL}"},
    "status": {"summary": f"0/1{EVIL}", "conditions": CONDITIONS, "stableVersion": f"0.9{EVIL}"},
}
OBJECTS: Object = {
    "agentdeployment": [AGENT],
    "controllerrevision": [_revision(1), _revision(2)],
    "agentruntimechannel": [CHANNEL],
    "pod": [
        {
            "kind": "Pod",
            "metadata": META | {"name": "web-1"},
            "status": {
                "phase": "Running",
                "containerStatuses": [
                    {"name": "agent", "state": {"waiting": {"reason": f"Crash{EVIL}", "message": f"m{EVIL}"}}}
                ],
            },
            "spec": {"containers": []},
        }
    ],
    "event": [
        {
            "metadata": META,
            "involvedObject": {"kind": "AgentDeployment", "name": "web"},
            "type": f"Warning{EVIL}",
            "reason": f"Failed{EVIL}",
            "message": f"m{EVIL}",
        }
    ],
    "child": [{"apiVersion": "v1", "kind": "Service", "metadata": META, "spec": {}}],
    "error": f"error: not found: {EVIL}",
}


@pytest.fixture(autouse=True)
def _kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubectl that returns hostile objects, or fails with a hostile error for an agent with the name `fail`."""
    data, stub = tmp_path / "objects.json", tmp_path / "kubectl"
    data.write_text(json.dumps(OBJECTS), encoding="utf-8")
    stub.write_text(STUB.format(python=sys.executable, path=str(data)), encoding="utf-8")
    stub.chmod(0o755)
    monkeypatch.setattr(kubectl, "binary", lambda: str(stub))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with an agent whose prompt is hostile, and an invalid one."""
    path = tmp_path / f"a{EVIL.replace(chr(0), '')}.json"
    path.write_text(
        json.dumps({key: AGENT[key] for key in ("apiVersion", "kind", "metadata", "spec")}), encoding="utf-8"
    )
    return path


@pytest.fixture
def invalid(tmp_path: Path) -> Path:
    path = tmp_path / "invalid.json"
    spec = {"config": {"models": [{"name": f"e{EVIL}", "provider": f"echo{EVIL}"}]}, f"field{EVIL}": 1}
    path.write_text(json.dumps({key: AGENT[key] for key in ("apiVersion", "kind", "metadata")} | {"spec": spec}))
    return path


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """A hand-written Deployment of an agent, with hostile text."""
    path = tmp_path / "deployment.json"
    container = {"name": "agent", "image": f"agent-runtime{EVIL}", "env": [{"name": f"A{EVIL}", "value": EVIL}]}
    labels = {"app": "web", f"team{EVIL}": EVIL}
    spec = {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container], f"field{EVIL}": EVIL}},
    }
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": META | {"labels": labels}, "spec": spec}
    path.write_text(json.dumps(deployment), encoding="utf-8")
    return path


COMMANDS = [
    "status web",
    "status web -o json",
    "status web -o yaml",
    "history web",
    "history web -o json",
    "history web --revision 1",
    "history web --revision 1 -o yaml",
    "diff web 1 2",
    "rollout status web",
    "rollout status web -o yaml",
    "list",
    "list -A -o json",
    "events web",
    "events web -o yaml",
    "logs web",
    "open web",
    "scale web --replicas 1",
    "restart web --no-wait",
    "channel list",
    "channel status stable",
    "channel status stable -o json",
    "upgrade plan web",
    "upgrade plan web -o json",
    "render -f FILE",
    "render -f FILE -o json",
    "validate FILE",
    "validate INVALID",
    "validate INVALID -o json",
    "render -f INVALID",
    "import -f MANIFESTS",
    "import -f MANIFESTS -o json",
    "import -f INVALID",
    *(
        f"{command} fail"
        for command in (
            "status",
            "history",
            "events",
            "logs",
            "chat",
            "open",
            "scale --replicas 1",
            "rollout status",
            "rollback",
            "retry",
            "channel status",
        )
    ),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_prints_control_characters(
    command: str, file: Path, invalid: Path, manifests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {"FILE": str(file), "INVALID": str(invalid), "MANIFESTS": str(manifests)}
    words = [paths.get(word, word) for word in command.split()]
    run(words)
    out, err = capsys.readouterr()
    assert out + err, "the command prints something"
    assert "internal error" not in err
    assert is_printable(out), out
    assert is_printable(err), err


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_output_for_programs_keeps_the_values(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "web", "-o", form]) == 0
    text = capsys.readouterr().out
    found = json.loads(text) if form == "json" else yaml.safe_load(text)
    assert found["agent"]["status"] == STATUS


def test_a_terminal_gets_the_colours_of_rich_but_not_those_of_others() -> None:
    written = StringIO()
    console = SafeConsole(file=written, force_terminal=True, color_system="standard", width=100, highlight=False)
    rows = table("NAME")
    rows.add_row(Text(f"web{EVIL}", "red"))
    console.print(rows)
    console.print(f"plain{EVIL}", soft_wrap=True)
    text = written.getvalue()
    assert "\x1b[31m" in text
    for sequence in ("\x1b[31m", "\x1b[0m", "\x1b[1m"):
        text = text.replace(sequence, "")
    assert is_printable(text)
