"""Run the benchmark of clients that disconnect. `make bench` prints the figures. Time is not asserted."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_disconnect_latency_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """This run is short. For figures to publish, run the script alone on an idle machine."""
    script = Path(__file__).with_name("runtime_disconnect.py")

    done = subprocess.run([sys.executable, script, "--times", "20"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("p99") == 6
    with capsys.disabled():
        sys.stdout.write(f"\n{done.stdout}")
