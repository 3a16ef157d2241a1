"""SIGTERM ends a program of ours from its first moments on.

In a container it is process 1, and the kernel drops a signal to process 1 that has no handler. A real Kubernetes waited
minutes, the whole grace period, for pods that were deleted as they started.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import DEADLINE

ENDED_BY_SIGTERM = 128 + signal.SIGTERM


@pytest.mark.parametrize("package", ["agent_operator", "agent_runtime"])
def test_sigterm_is_handled_before_anything_else_is_imported(package: str) -> None:
    code = f"""
import os, signal, sys, types
from {package}.__main__ import main
assert not {{"asyncio", "argparse"}} & set(sys.modules)
sys.modules["{package}.command"] = types.SimpleNamespace(main=lambda: os.kill(os.getpid(), signal.SIGTERM))
main()
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == ENDED_BY_SIGTERM


def test_sigterm_ends_a_starting_agent_that_is_process_1(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    os.mkfifo(config)
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-m", "agent_runtime", "serve"]
    with subprocess.Popen([*command, "--config", config]) as unshare:
        try:
            # Opening blocks until the agent reads its config: it has no event loop yet.
            with config.open("wb"):
                children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text(encoding="ascii")
                os.kill(int(children), signal.SIGTERM)
                assert unshare.wait(DEADLINE) == ENDED_BY_SIGTERM
        finally:
            unshare.kill()
