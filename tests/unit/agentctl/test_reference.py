"""The reference of agentctl, generated from its parser."""

import subprocess
import sys
from pathlib import Path

import pytest

from agentctl import reference
from agentctl.permissions import required

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "agentctl.md"
# Modules that take long to import, or much memory, and that no command needs before it runs.
HEAVY = ("agent_runtime.config", "aiohttp", "jinja2", "kopf", "kubernetes", "rich.table", "yaml")


def test_every_command_declares_its_permissions() -> None:
    missing = [name for name, command in reference.commands() if required(command.callback) is None]

    assert missing == [], "add @requires(...) to these commands, without arguments if they need no cluster"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference.page(), "run make docs"


@pytest.mark.parametrize("arguments", [["--help"], ["status", "--help"], ["version", "--help"]])
def test_help_imports_no_heavy_module(arguments: list[str]) -> None:
    """Completion parses the command line in the same way, at each press of Tab."""
    script = f"import sys; from agentctl.__main__ import run; run({arguments}); print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert sorted(set(HEAVY) & set(done.stdout.splitlines()[-1].split())) == []


MEASURED = """
import sys, time
from pathlib import Path
from agentctl.__main__ import run
status = run(sys.argv[1:])
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(peak, time.process_time(), *sys.modules)
sys.exit(status)
"""
SEED = Path(__file__).parents[3] / "examples" / "10-seed" / "agent.yaml"


def test_validate_stays_small_and_imports_nothing_of_a_cluster() -> None:
    """It runs on each commit. On an idle machine, it takes 0.6 s of CPU and 53 MB."""
    command = [sys.executable, "-c", MEASURED, "validate", str(SEED)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    kilobytes, seconds, *modules = done.stdout.splitlines()[-1].split()
    assert int(kilobytes) < 80_000
    assert float(seconds) < 3
    unused = {"aiohttp", "kopf", "kubernetes", "rich", "uvloop", "agentctl.cluster", "localkube"}
    assert sorted(unused & set(modules)) == []
