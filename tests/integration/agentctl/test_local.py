"""`agentctl local`: a cluster in the background that comes and goes as told."""

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
    """Whether it runs; what has ended and waits for somebody to ask how does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_up_prints_shell_variables(cluster: Any) -> None:
    """Also the second time, when it has nothing to do."""
    before = cluster.status()

    done = cluster.agentctl("local", "up")

    assert done.stdout == f"export KUBECONFIG={cluster.kubeconfig}\n"
    assert done.stderr.startswith("Already up: https://127.0.0.1:")
    assert cluster.status() == before


def test_only_the_owner_can_read_the_kubeconfig(cluster: Any) -> None:
    assert cluster.kubeconfig.stat().st_mode & 0o077 == 0


def test_up_starts_the_api_server_and_the_operator(cluster: Any) -> None:
    assert "agentdeployments.agent-operator.dev" in cluster.kubectl("get", "crds", "-o", "name")
    assert cluster.kubectl("get", "nodes", "-o", "name").count("node/") == 1
    assert _alive(cluster.status()["operatorPid"])


def test_status_shows_urls_and_paths(cluster: Any) -> None:
    found = cluster.status()

    assert found["running"] is True
    assert found["kubeconfig"] == str(cluster.kubeconfig)
    text = cluster.agentctl("local", "status").stdout
    assert text.startswith(f"Up: {found['url']}\nexport KUBECONFIG={cluster.kubeconfig}\n")


def test_a_crashed_operator_is_restarted(cluster: Any, eventually: Eventually) -> None:
    first = cluster.status()["operatorPid"]

    os.kill(first, signal.SIGKILL)

    eventually("another operator", lambda: cluster.status().get("operatorPid", first) != first)


def test_up_after_a_crash_and_down_leave_no_process(tmp_path: Path, cluster: Any, eventually: Eventually) -> None:
    """What a killed cluster left behind, its lock and its record, is in nobody's way."""
    other = type(cluster)(tmp_path / "other")
    assert other.agentctl("local", "up").returncode == 0
    first = other.status()
    os.kill(first["pid"], signal.SIGKILL)
    os.kill(first["operatorPid"], signal.SIGKILL)
    eventually("the lock to be free", lambda: other.status()["running"] is False)

    assert other.agentctl("local", "up").returncode == 0
    second = other.status()
    assert second["pid"] != first["pid"]
    down = other.agentctl("local", "down")

    assert (down.returncode, down.stderr) == (0, "Stopped\n")
    assert not _alive(second["pid"])
    assert not _alive(second["operatorPid"])
    assert not other.kubeconfig.exists()


def test_a_failed_start_is_reported_with_its_reason(tmp_path: Path, cluster: Any) -> None:
    """Here the directory of the node is a file."""
    other = type(cluster)(tmp_path / "broken")
    other.directory.mkdir()
    (other.directory / "node").write_text("")

    done = other.agentctl("local", "up")

    assert done.returncode == 1
    assert done.stderr.startswith("error: the cluster did not come up: ")
    assert done.stderr.count("\n") == 1
    assert json.loads(other.agentctl("local", "status", "-o", "json").stdout)["running"] is False


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_foreground_cluster_stops_cleanly(
    sign: signal.Signals, tmp_path: Path, cluster: Any, eventually: Eventually
) -> None:
    other = type(cluster)(tmp_path / "front")
    command = [Path(sys.executable).with_name("agentctl"), "local", "up", "--foreground", "--dir", other.directory]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        eventually("the cluster to be up", lambda: process.poll() is None and other.status()["running"])
        process.send_signal(sign)
        _, said = process.communicate(timeout=DEADLINE)

    assert process.returncode == 0
    assert said == f"export KUBECONFIG={other.kubeconfig}\n"
    assert other.status()["running"] is False
