"""The distributions as shipped: built, and installed outside of the checkout, each in its own environment."""

import os
import socket
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
EXAMPLES = ROOT / "examples"
# Folder of each distribution in the checkout, and in the sdist of agent-operator.
PROJECTS = {
    "kubeschema": "kubeschema",
    "agent-runtime": "agent_runtime",
    "localkube": "localkube",
    "agent-operator": ".",
}
# Environment -> its requirements, with the distributions of this project, which are on no index.
ENVIRONMENTS: Mapping[str, tuple[str, ...]] = {
    "operator": ("agent-operator", "agent-runtime", "kubeschema"),
    "runtime": ("agent-runtime",),
    "localkube": ("localkube", "kubeschema"),
    "demo": ("agent-operator[demo]", "agent-runtime", "localkube", "kubeschema"),
}
# Environment -> commands that import what its tests import.
WARMED_BY: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "operator": (("agent-operator", "--version"), ("agentctl", "validate", "-f", str(EXAMPLES / "10-seed"))),
    "runtime": (("python", "-c", "import agent_runtime.command, agent_runtime.server"),),
    "localkube": (("localkube", "--help"),),
}
FOREIGN_UID = 54321
Found = TypeVar("Found")


def uv(*arguments: str | Path, cwd: Path = ROOT) -> str:
    return run(BIN / "uv", *arguments, cwd=cwd).stdout


def run(
    *command: str | Path, cwd: Path = Path("/"), check: bool = True, **more: Any
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, timeout=600, **more)
    assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def build(source: Path, target: Path, *options: str) -> None:
    """Build as `make wheels` does: an sdist, and from that a wheel."""
    uv("build", "--quiet", "--no-build-isolation", "--python", sys.executable, "--out-dir", target, *options, source)


@dataclass(frozen=True)
class Built:
    """Where the built distributions are."""

    folder: Path

    def wheel(self, name: str) -> Path:
        (found,) = self.folder.glob(f"{name.replace('-', '_')}-*.whl")
        return found

    def sdist(self, name: str) -> Path:
        (found,) = self.folder.glob(f"{name.replace('-', '_')}-*.tar.gz")
        return found


@dataclass(frozen=True)
class Shipped:
    """Where the environments are, and what is installed there."""

    folder: Path
    built: Built

    def bin(self, environment: str) -> Path:
        return self.folder / environment / "bin"

    def install(self, environment: str) -> None:
        """Install as a user would, with the versions of the lock."""
        target = self.folder / environment
        uv("venv", "--quiet", "--python", sys.executable, target)
        wanted = []
        for requirement in ENVIRONMENTS[environment]:
            name = requirement.partition("[")[0]
            wanted.append(f"{requirement} @ {self.built.wheel(name).as_uri()}")
        options = ("--quiet", "--constraints", ROOT / "locks" / "dev.txt")
        uv("pip", "install", *options, "--python", target / "bin" / "python", *wanted)
        # Compile what is imported, because the users of the tests cannot write it.
        variables = {"PATH": os.environ["PATH"]}
        for command in WARMED_BY.get(environment, ()):
            run(target / "bin" / command[0], *command[1:], env=variables)

    def command(self, environment: str, *arguments: str | Path) -> tuple[str | Path, ...]:
        """Return a command of an environment with only the variable PATH and without a passwd entry."""
        found = f"{self.bin(environment)}:{BIN}:/usr/bin:/bin"
        return (*as_foreigner(), "env", "-i", f"PATH={found}", *arguments)

    def run(self, environment: str, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run(*self.command(environment, *arguments), check=check)


def as_foreigner() -> tuple[str, ...]:
    """Return a prefix that runs a command as an unknown user; empty without root."""
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("only root may start a process as another user: run the tests as root")
        return ()
    # The interpreter may be in a folder that only its owner can enter, unlike in an image.
    within = (Path(sysconfig.get_path("stdlib")), *Path(sysconfig.get_path("stdlib")).parents)
    closed = any(not folder.stat().st_mode & stat.S_IXOTH for folder in within)
    rights = "-all,+dac_read_search" if closed else "-all"
    limits = (f"--inh-caps={rights}", f"--ambient-caps={rights}", f"--bounding-set={rights}")
    return ("setpriv", "--reuid", str(FOREIGN_UID), "--regid", "0", "--clear-groups", *limits)


@contextmanager
def running(log: Path, *command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process in / with its output in a file, and stop it as a kubelet does."""
    with log.open("wb") as sink, subprocess.Popen(command, cwd="/", stdout=sink, stderr=sink) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def eventually(description: str, check: Callable[[], Found | None], logs: Path, seconds: float = 90) -> Found:
    """Return the first true result of `check`; fail with the logs of the processes after the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > deadline:
            log_text = "\n".join(log.read_text(encoding="utf-8")[-3000:] for log in logs.glob("*.log"))
            pytest.fail(f"{description}: not within {seconds:g} s\n{log_text}")
        time.sleep(0.2)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
