"""The directory of a local cluster: lock, record and logs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentctl.errors import CommandError
from agentctl.local.cluster_directory import ClusterDirectory, RunningCluster, last_line

LOCK_SCRIPT = """
import sys
from pathlib import Path
from agentctl.local.cluster_directory import ClusterDirectory, RunningCluster
directory = ClusterDirectory(Path(sys.argv[1])); directory.create()
with directory.lock():
    directory.write_record(RunningCluster({pid}, "https://127.0.0.1:1", 7, "http://127.0.0.1:2/metrics"))
    print("locked", flush=True)
    sys.stdin.read()
"""


def start_lock_process(directory: Path, pid: str = "__import__('os').getpid()") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", LOCK_SCRIPT.replace("{pid}", pid), directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def test_no_cluster_runs_in_a_missing_directory(tmp_path: Path) -> None:
    directory = ClusterDirectory(tmp_path / "none")

    assert directory.lock_owner() is None
    assert directory.running() is None


def test_a_running_cluster_is_found_and_a_second_one_is_refused(tmp_path: Path) -> None:
    process = start_lock_process(tmp_path)
    directory = ClusterDirectory(tmp_path)
    try:
        running = directory.running()
        assert running == RunningCluster(process.pid, "https://127.0.0.1:1", 7, "http://127.0.0.1:2/metrics")
        assert directory.lock_owner() == process.pid
        with (
            pytest.raises(CommandError, match="a cluster is already running: stop it with agentctl local down"),
            directory.lock(),
        ):
            pytest.fail("locked twice")
    finally:
        process.communicate("")
    assert directory.running() is None


def test_the_record_of_a_killed_process_is_ignored(tmp_path: Path) -> None:
    process = start_lock_process(tmp_path)
    process.kill()
    process.communicate()
    directory = ClusterDirectory(tmp_path)

    assert (tmp_path / "running.json").exists()
    assert directory.lock_owner() is None
    assert directory.running() is None
    with directory.lock():
        assert directory.lock_owner() == os.getpid()


def test_the_record_of_another_process_is_ignored(tmp_path: Path) -> None:
    """An earlier cluster that was killed wrote it. The cluster that has locked the directory is still starting."""
    process = start_lock_process(tmp_path, pid="1")
    try:
        assert ClusterDirectory(tmp_path).running() is None
    finally:
        process.communicate("")


def test_a_directory_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CommandError, match="choose another directory with --dir"):
        ClusterDirectory(tmp_path / "file" / "below").create()


def test_only_the_owner_can_read_the_directory(tmp_path: Path) -> None:
    """The directory contains a kubeconfig with all rights."""
    ClusterDirectory(tmp_path / "state").create()

    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


def test_the_last_line_of_a_log_is_its_last_message(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == "the log is empty"
    log.write_text("Traceback\nerror: port taken\n\n")
    assert last_line(log) == "port taken"


def test_status_exits_with_1_if_no_cluster_is_running(agentctl: Callable[..., Any], tmp_path: Path) -> None:
    result = agentctl("local", "status", "--dir", tmp_path)
    assert (result.status, result.out) == (1, "Cluster is not running: start it with agentctl local up\n")

    as_json = agentctl("local", "status", "--dir", tmp_path, "-o", "json")
    assert as_json.status == 1
    assert json.loads(as_json.out) == {"running": False, "logs": str(tmp_path)}


def test_down_succeeds_if_no_cluster_is_running(agentctl: Callable[..., Any], tmp_path: Path) -> None:
    result = agentctl("local", "down", "--dir", tmp_path)

    assert (result.status, result.out, result.err) == (0, "", "Cluster is not running\n")
