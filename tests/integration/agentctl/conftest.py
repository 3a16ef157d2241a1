"""Fixtures that run agentctl as an installed program, and a local cluster that it started."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentctl.__main__ import run
from tests import polling
from tests.patience import DEADLINE

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Cluster:
    """A directory for `agentctl local`."""

    directory: Path

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the cluster."""
        return self.directory / "kubeconfig"

    def agentctl(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run agentctl for this cluster. It must not print a traceback."""
        done = self._run("agentctl", *arguments)
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def kubectl(self, *arguments: str | Path) -> str:
        """Run kubectl, which must succeed, and return its output."""
        done = self._run("kubectl", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        """Return the output of `agentctl local status -o json`."""
        found: dict[str, Any] = json.loads(self.agentctl("local", "status", "-o", "json").stdout)
        return found

    def record(self) -> dict[str, Any]:
        """Return what the running cluster wrote about itself; nothing without one. `status` takes 0.3 s of CPU."""
        file = self.directory / "running.json"
        found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return found

    def _run(self, name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {
            "PATH": path,
            "AGENTCTL_DIR": str(self.directory),
            "KUBECONFIG": str(self.kubeconfig),
        }
        return subprocess.run(
            [BIN / name, *arguments], env=environment, capture_output=True, text=True, timeout=2 * DEADLINE, check=False
        )


@dataclass(frozen=True)
class CommandResult:
    """The result of a command, with the names of subprocess.CompletedProcess."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def agentctl(capsys: pytest.CaptureFixture[str]) -> Callable[..., CommandResult]:
    """Run agentctl in this process, because its imports take longer than most commands."""

    def command(*arguments: str) -> CommandResult:
        capsys.readouterr()
        status = run(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return CommandResult(status, out, err)

    return command


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running local cluster with the operator."""
    cluster = Cluster(tmp_path_factory.mktemp("local"))
    done = cluster.agentctl("local", "up")
    assert done.returncode == 0, done.stderr
    yield cluster
    cluster.agentctl("local", "down")


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """Poll until a condition is true, and return its value. A timeout fails with the description of the condition."""
    return polling.eventually
