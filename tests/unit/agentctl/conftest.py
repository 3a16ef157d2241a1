"""agentctl as a user has it: arguments in; exit status, output and errors out."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentctl.__main__ import run
from tests import fast_yaml as yaml


@dataclass(frozen=True)
class Done:
    """What a command left."""

    status: int
    out: str
    err: str


@pytest.fixture
def agentctl(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Run one command, with `stdin` if it is given."""

    def command(*arguments: str | Path, stdin: str = "") -> Done:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        status = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Done(status, out, err)

    return command


def agent(name: str = "support", **spec: Any) -> dict[str, Any]:
    """The smallest AgentDeployment, changed by `spec`."""
    return {
        "apiVersion": "agent-operator.dev/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": name},
        "spec": {"config": {"models": [{"name": "echo", "provider": "echo"}]}} | spec,
    }


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of objects, or of text, and return its path."""

    def write(*objects: Any, name: str = "agent.yaml") -> Path:
        path = tmp_path / name
        texts = [item if isinstance(item, str) else yaml.safe_dump(item, sort_keys=False) for item in objects]
        path.write_text("---\n".join(texts), encoding="utf-8")
        return path

    return write


@pytest.fixture(name="agent")
def _agent() -> Callable[..., dict[str, Any]]:
    return agent
