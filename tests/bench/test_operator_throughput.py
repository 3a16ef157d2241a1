"""Runs the operator's benchmark; `make bench` prints what it measured. No speed is asserted: machines differ."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(1200)
def test_operator_throughput_is_measured(pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]) -> None:
    given = pytestconfig.getoption("--kubeconfig")
    options = ["--kubeconfig", given] if given else []
    script = Path(__file__).with_name("operator_throughput.py")
    command = [sys.executable, script, "--agents", "50", "--rest", "5", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    with capsys.disabled():
        sys.stdout.write(f"\noperator: {json.dumps(measured)}\n")
    assert measured["agents_per_second"] > 0
