"""The operator and the local cluster as processes."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.kubectl import Kubectl
from tests.patience import DEADLINE, free_port
from tests.polling import eventually

RUNTIME = "agent-operator/agent-runtime:*"


def start(arguments: list[str | Path], log: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Run a module as a program."""
    with log.open("ab") as sink:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=sink, stderr=subprocess.STDOUT, env=os.environ | environment
        )


def stop(process: subprocess.Popen[bytes]) -> int:
    """Send SIGTERM; return the exit code."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


@contextmanager
def localkube(folder: Path, *options: str) -> Iterator[Kubectl]:
    """Run a local cluster without the CustomResourceDefinitions. `options` override the defaults here."""
    kubeconfig = folder / "kubeconfig"
    arguments: list[str | Path] = [
        "localkube",
        "--state-dir",
        folder,
        "--kubeconfig",
        kubeconfig,
        "--probe-time-scale",
        "0.1",
    ]
    process = start([*arguments, *options], folder / "cluster.log")
    try:
        eventually("the local cluster starts", kubeconfig.exists, 120)
        kubectl = Kubectl(kubeconfig)
        eventually("the API is served", lambda: kubectl.run("get", "--raw", "/readyz", check=False).returncode == 0)
        yield kubectl
    finally:
        stop(process)


def runtime_image(*prefix: str) -> list[str]:
    """Options that describe the runtime image as its Dockerfile does; `prefix` precedes its command."""
    command = shlex.join([*prefix, sys.executable, "-m", "agent_runtime"])
    args, directory = "serve --config /app/config/agent.toml", "/app"
    given = {"--image": command, "--image-args": args, "--image-workdir": directory}
    return [part for option, value in given.items() for part in (option, f"{RUNTIME}={value}")]


@dataclass
class Operator:
    """The operator as a process that tests may stop and start."""

    kubeconfig: Path
    log: Path
    options: tuple[str, ...] = ("--no-leader-election",)
    process: subprocess.Popen[bytes] | None = None
    address: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")

    @property
    def url(self) -> str:
        """URL of the health endpoints and metrics."""
        return f"http://{self.address}"

    def start(self) -> None:
        """Start the process, and do not wait until it is ready."""
        arguments: list[str | Path] = ["agent_operator", "run", "--kubeconfig", self.kubeconfig]
        options = ["--listen", self.address, "--refs-refresh", "2"]
        self.process = start([*arguments, *options, *self.options], self.log)

    def stop(self) -> int:
        """Send SIGTERM; return the exit code."""
        process, self.process = self.process, None
        return stop(process) if process else 0

    def kill(self) -> None:
        """Send SIGKILL."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
