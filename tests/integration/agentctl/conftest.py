"""agentctl as an installed program, and a local cluster that it started."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentctl.__main__ import run
from tests.patience import DEADLINE

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Cluster:
    """A directory in which `agentctl local up` was run."""

    directory: Path

    @property
    def kubeconfig(self) -> Path:
        """What kubectl needs."""
        return self.directory / "kubeconfig"

    def agentctl(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run agentctl there; its output holds no traceback, whatever happens."""
        done = self._run("agentctl", *arguments)
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def kubectl(self, *arguments: str | Path) -> str:
        """Run kubectl, which must succeed."""
        done = self._run("kubectl", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What `local status` says."""
        found: dict[str, Any] = json.loads(self.agentctl("local", "status", "-o", "json").stdout)
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
class Done:
    """What a command left, as subprocess.CompletedProcess says it."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def agentctl(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run agentctl in this process, for its imports take longer than most of what it does."""

    def command(*arguments: str) -> Done:
        capsys.readouterr()
        status = run(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Done(status, out, err)

    return command


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that is up, with the operator."""
    found = Cluster(tmp_path_factory.mktemp("local"))
    done = found.agentctl("local", "up")
    assert done.returncode == 0, done.stderr
    yield found
    found.agentctl("local", "down")


@pytest.fixture(scope="session")
def eventually() -> Callable[[str, Callable[[], Any]], Any]:
    """Poll until something is true; fail with what it should have been."""

    def poll(what: str, look: Callable[[], Any], seconds: float = DEADLINE) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
            time.sleep(0.2)
        return found

    return poll
