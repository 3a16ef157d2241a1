"""Fixtures that run agentctl in this process and write input files."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentctl.__main__ import run
from tests import fast_yaml as yaml


@dataclass(frozen=True)
class CommandResult:
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str


@pytest.fixture
def agentctl(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., CommandResult]:
    """Run one command with the given arguments and standard input."""

    def command(*arguments: str | Path, stdin: str = "") -> CommandResult:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        status = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return CommandResult(status, out, err)

    return command


@pytest.fixture
def make_agent() -> Callable[..., dict[str, Any]]:
    """Return a minimal AgentDeployment with additional fields of the spec."""

    def make(name: str = "support", **spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": "agent-operator.dev/v1alpha1",
            "kind": "AgentDeployment",
            "metadata": {"name": name},
            # Without it, an agent with several pods and without Redis has a warning.
            "spec": {"config": {"models": [{"name": "echo", "provider": "echo"}]}}
            | spec
            | {"service": {"sessionAffinity": "ClientIP"} | spec.get("service", {})},
        }

    return make


@pytest.fixture
def write_file(tmp_path: Path) -> Callable[..., Path]:
    """Write objects or text to a file and return its path."""

    def write(*objects: Any, name: str = "agent.yaml") -> Path:
        path = tmp_path / name
        texts = [item if isinstance(item, str) else yaml.safe_dump(item, sort_keys=False) for item in objects]
        path.write_text("---\n".join(texts), encoding="utf-8")
        return path

    return write
