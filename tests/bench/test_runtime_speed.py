"""Run the benchmark of the runtime. `make bench` prints the figures. Speed is not asserted, because machines differ."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(3000)
def test_runtime_speed_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """BENCH_PEERS adds the other servers, whose first installation takes minutes."""
    script = Path(__file__).with_name("runtime_speed.py")
    with_peers = bool(os.environ.get("BENCH_PEERS"))
    options = ["--rounds", "3", "--seconds", "5", "--peers"] if with_peers else ["--rounds", "1", "--seconds", "1"]

    done = subprocess.run([sys.executable, script, *options], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "500 streams of 30 tokens/s" in done.stdout
    with capsys.disabled():
        sys.stdout.write(f"\n{done.stdout}")
        sys.stderr.writelines(line for line in done.stderr.splitlines(keepends=True) if "not measured" in line)
