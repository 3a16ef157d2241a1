"""CPU and memory of agentctl's offline commands; `make bench` prints them. No speed is asserted: machines differ."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SEED = EXAMPLES / "10-seed" / "agent.yaml"
COMMANDS = (
    ("--help",),
    ("validate", "-f", SEED),
    ("validate", "-f", EXAMPLES / "11-pod-template" / "agent.yaml"),
    ("render", "-f", SEED),
)
ROUNDS = 5


# Not the memory of getrusage(), which includes that of the parent when it forked.
MEASURED = """
import sys, time
from pathlib import Path
from agentctl.__main__ import run
status = run(sys.argv[1:])
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print("", time.process_time(), peak, sep="\\n")
sys.exit(status)
"""


def cost(*arguments: str | Path) -> tuple[float, float]:
    """Return seconds of CPU and MB of memory of one run."""
    done = subprocess.run([sys.executable, "-c", MEASURED, *arguments], capture_output=True, text=True, check=True)
    seconds, kilobytes = done.stdout.splitlines()[-2:]
    return float(seconds), int(kilobytes) / 1000


def test_agentctl_start_time_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """The minimum of some rounds, because other load only adds to it."""
    lines = []
    for arguments in COMMANDS:
        seconds, megabytes = min(cost(*arguments) for _ in range(ROUNDS))
        shown = " ".join(part.parent.name if isinstance(part, Path) else part for part in arguments)
        lines.append(f"agentctl {shown}: {seconds:.2f} s of CPU, {megabytes:.0f} MB\n")
    with capsys.disabled():
        sys.stdout.write("\n" + "".join(lines))
