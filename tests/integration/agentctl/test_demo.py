"""`agentctl demo` with a cluster that it starts, and with one that is running."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.patience import DEADLINE

pytestmark = pytest.mark.kubelet


def test_once_prints_every_step_and_stops_the_cluster(tmp_path: Path, cluster: Any) -> None:
    other = type(cluster)(tmp_path / "demo")

    done = other.agentctl("demo", "--once")

    assert (done.returncode, done.stderr) == (0, "")
    steps = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("✓")]
    assert steps == ["cluster", "CRD", "operator", "kubectl", "ready", "you", "agent"]
    assert "└── " in done.stdout
    assert "Are you there?  (the model echo repeats the message)" in done.stdout
    assert f"export KUBECONFIG={other.kubeconfig}" in done.stdout
    assert done.stdout.endswith("\nStopping the cluster\n")
    assert other.status()["running"] is False


def test_a_running_cluster_is_used_and_not_stopped(cluster: Any) -> None:
    before = cluster.status()

    done = cluster.agentctl("demo", "--once")

    assert done.returncode == 0, done.stderr
    assert "Stopping" not in done.stdout
    assert cluster.status()["pid"] == before["pid"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_demo_and_its_cluster(
    number: signal.Signals, tmp_path: Path, cluster: Any, eventually: Callable[..., Any]
) -> None:
    other = type(cluster)(tmp_path / "demo")
    command = [Path(sys.executable).with_name("agentctl"), "demo", "--dir", other.directory]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        eventually("the cluster is running", lambda: process.poll() is None and other.record())
        process.send_signal(number)
        out, err = process.communicate(timeout=DEADLINE)

    assert (process.returncode, err) == (130, "")
    assert out.endswith("Stopping the cluster\n")
    assert other.status()["running"] is False
