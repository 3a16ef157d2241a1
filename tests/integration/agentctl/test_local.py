"""`agentctl local`: starting and stopping a cluster in the background."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.patience import DEADLINE

Eventually = Callable[..., Any]


def _alive(pid: int) -> bool:
    """Return whether a process is running. A zombie is not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_up_prints_a_line_for_the_shell_to_evaluate(cluster: Any) -> None:
    """It also does if the cluster is already running."""
    before = cluster.status()

    done = cluster.agentctl("local", "up")

    assert done.stdout == f"export KUBECONFIG={cluster.kubeconfig}\n"
    assert done.stderr.startswith("Cluster is already running: https://127.0.0.1:")
    assert cluster.status() == before


def test_only_the_owner_can_read_the_kubeconfig(cluster: Any) -> None:
    assert cluster.kubeconfig.stat().st_mode & 0o077 == 0


def test_the_cluster_has_the_crds_a_node_and_the_operator(cluster: Any) -> None:
    assert "agentdeployments.agent-operator.dev" in cluster.kubectl("get", "crds", "-o", "name")
    assert cluster.kubectl("get", "nodes", "-o", "name").count("node/") == 1
    assert _alive(cluster.status()["operatorPid"])


def test_status_prints_url_and_kubeconfig(cluster: Any) -> None:
    found = cluster.status()

    assert found["running"] is True
    assert found["kubeconfig"] == str(cluster.kubeconfig)
    text = cluster.agentctl("local", "status").stdout
    assert text.startswith(f"Cluster is running: {found['url']}\nexport KUBECONFIG={cluster.kubeconfig}\n")


def test_the_operator_is_restarted_when_it_ends(cluster: Any, eventually: Eventually) -> None:
    first = cluster.status()["operatorPid"]

    os.kill(first, signal.SIGKILL)

    eventually("the operator is restarted", lambda: cluster.record().get("operator_pid", first) != first)
    assert cluster.status()["operatorPid"] != first


def test_up_works_after_a_crash_and_down_leaves_no_process(
    tmp_path: Path, cluster: Any, eventually: Eventually
) -> None:
    """The lock and the record of a killed cluster do not prevent another start."""
    other = type(cluster)(tmp_path / "other")
    assert other.agentctl("local", "up").returncode == 0
    first = other.status()
    os.kill(first["pid"], signal.SIGKILL)
    os.kill(first["operatorPid"], signal.SIGKILL)
    eventually("the lock is released", lambda: other.status()["running"] is False)

    assert other.agentctl("local", "up").returncode == 0
    second = other.status()
    assert second["pid"] != first["pid"]
    down = other.agentctl("local", "down")

    assert (down.returncode, down.stderr) == (0, "Cluster stopped\n")
    assert not _alive(second["pid"])
    assert not _alive(second["operatorPid"])
    assert not other.kubeconfig.exists()


def test_a_failed_start_is_reported_on_one_line(tmp_path: Path, cluster: Any) -> None:
    """The start fails because the directory of the node is a file."""
    other = type(cluster)(tmp_path / "broken")
    other.directory.mkdir()
    (other.directory / "node").write_text("")

    done = other.agentctl("local", "up")

    assert done.returncode == 1
    assert done.stderr.startswith("error: the cluster did not start: ")
    assert done.stderr.count("\n") == 1
    assert json.loads(other.agentctl("local", "status", "-o", "json").stdout)["running"] is False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cluster_in_the_foreground_stops_on_a_signal(
    number: signal.Signals, tmp_path: Path, cluster: Any, eventually: Eventually
) -> None:
    other = type(cluster)(tmp_path / "foreground")
    command = [Path(sys.executable).with_name("agentctl"), "local", "up", "--foreground", "--dir", other.directory]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        eventually("the cluster is running", lambda: process.poll() is None and other.record())
        process.send_signal(number)
        _, stderr = process.communicate(timeout=DEADLINE)

    assert process.returncode == 0
    assert stderr == f"export KUBECONFIG={other.kubeconfig}\n"
    assert other.status()["running"] is False
