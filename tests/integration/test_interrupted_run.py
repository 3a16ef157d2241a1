"""Ctrl-C during `make test` leaves nothing running, nor does killing pytest."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.agentctl.test_interrupts import survivors

pytestmark = [pytest.mark.local_only, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
# Each starts a kind of process that could outlive the run; the cluster starts pods.
PARTS = {
    "tests/e2e/test_running.py": "localkube",
    "tests/integration/agent_runtime/test_redis.py": "redis-server",
    "tests/integration/agent_runtime/chat_page/test_page.py": "chrom",
}


def wait_until(what: str, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 180
    while not done():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.1)


@pytest.mark.parametrize(("number", "group"), [(signal.SIGINT, True), (signal.SIGKILL, False)], ids=["ctrl-c", "kill"])
def test_an_interrupted_run_leaves_nothing(number: signal.Signals, group: bool, tmp_path: Path) -> None:
    """As `make test` runs it, with a small part of the suite."""
    base = tmp_path / "run"
    options = ["-n", "3", "--dist", "loadfile", "-p", "no:cacheprovider", f"--basetemp={base}"]
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("pytest"), *options, *PARTS],
            cwd=ROOT,
            # Its processes have the directory, or as pods a path below it, in their environment.
            env=os.environ | {"INTERRUPTED_RUN": str(base)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            # As in test_interrupts.py.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
        )

    # A part may end before another has started its program, so each must be seen once, not all at one time.
    unseen = set(PARTS.values())

    def all_seen() -> bool:
        assert process.poll() is None, f"never seen: {unseen}\n{(tmp_path / 'output').read_text()}"
        commands = list(survivors(base).values())
        unseen.difference_update([program for program in unseen if any(program in command for command in commands)])
        return not unseen

    wait_until(f"{', '.join(PARTS.values())} run", all_seen)
    (os.killpg if group else os.kill)(process.pid, number)
    process.wait(120)

    wait_until("no process is left", lambda: not survivors(base))
