"""What `local` knows of a cluster from its directory."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentctl.errors import CommandError
from agentctl.local.state import Running, State, last_line

HOLD = """
import sys
from pathlib import Path
from agentctl.local.state import Running, State
state = State(Path(sys.argv[1])); state.create()
with state.held():
    state.record(Running({pid}, "https://127.0.0.1:1", 7, "http://127.0.0.1:2/metrics"))
    print("held", flush=True)
    sys.stdin.read()
"""


def _holder(directory: Path, pid: str = "__import__('os').getpid()") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.replace("{pid}", pid), directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_nothing_runs_in_a_directory_that_is_not_there(tmp_path: Path) -> None:
    state = State(tmp_path / "none")

    assert state.holder() is None
    assert state.running() is None


def test_a_running_cluster_is_found_and_a_second_one_refused(tmp_path: Path) -> None:
    process = _holder(tmp_path)
    state = State(tmp_path)
    try:
        running = state.running()
        assert running == Running(process.pid, "https://127.0.0.1:1", 7, "http://127.0.0.1:2/metrics")
        assert state.holder() == process.pid
        with pytest.raises(CommandError, match="a cluster runs there: agentctl local down ends it"), state.held():
            pytest.fail("held twice")
    finally:
        process.communicate("")
    assert state.running() is None


def test_what_a_killed_process_left_does_not_count(tmp_path: Path) -> None:
    process = _holder(tmp_path)
    process.kill()
    process.communicate()
    state = State(tmp_path)

    assert (tmp_path / "running.json").exists()
    assert state.holder() is None
    assert state.running() is None
    with state.held():
        assert state.holder() == os.getpid()


def test_the_record_of_another_process_does_not_count(tmp_path: Path) -> None:
    """It is of a cluster that was killed, and the next one is still coming up."""
    process = _holder(tmp_path, pid="1")
    try:
        assert State(tmp_path).running() is None
    finally:
        process.communicate("")


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CommandError, match="name another with --dir"):
        State(tmp_path / "file" / "below").create()


def test_the_directory_is_private(tmp_path: Path) -> None:
    """A kubeconfig with all rights is in it."""
    State(tmp_path / "state").create()

    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


def test_the_last_line_of_a_log_is_what_was_said_last(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == "it said nothing"
    log.write_text("Traceback\nerror: port taken\n\n")
    assert last_line(log) == "port taken"


def test_status_says_that_nothing_runs(agentctl: Callable[..., Any], tmp_path: Path) -> None:
    done = agentctl("local", "status", "--dir", tmp_path)
    assert (done.status, done.out) == (1, "Not running: agentctl local up starts it\n")

    machine = agentctl("local", "status", "--dir", tmp_path, "-o", "json")
    assert machine.status == 1
    assert json.loads(machine.out) == {"running": False, "logs": str(tmp_path)}


def test_down_is_idempotent(agentctl: Callable[..., Any], tmp_path: Path) -> None:
    done = agentctl("local", "down", "--dir", tmp_path)

    assert (done.status, done.out, done.err) == (0, "", "Not running\n")
