"""A pass stays short: limits for the calls and the modules of a minimal echo agent."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]


def test_a_pass_over_a_minimal_agent_makes_few_calls() -> None:
    command = [sys.executable, "-m", "tests.bench.call_counts"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    counts = json.loads(done.stdout)
    assert counts["first"]["calls"] <= 1900
    assert counts["first"]["modules"] <= 54
    assert counts["second"]["calls"] <= 1000
