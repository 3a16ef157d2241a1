"""Options of the whole suite."""

import os
import secrets
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, settings

from tests import reaper
from tests.reaper import VARIABLE

# pytest --hypothesis-profile=thorough takes some minutes, so it is not the default.
settings.register_profile("thorough", max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kubeconfig",
        default=None,
        help="run what needs an API server against this cluster; default: the local cluster, started for the tests",
    )
    parser.addoption(
        "--interrupts",
        type=int,
        default=4,
        help="at how many moments of its first 8 s a demo is interrupted; default: 4",
    )
    parser.addoption("--campaign", action="store_true", help="run all combinations of faults, not a sample")
    parser.addoption("--cells", type=int, default=1, help="combinations of each fault in the sample; default: 1")
    parser.addoption("--rollouts", type=int, default=3, help="how many rollouts may cut no stream; default: 3")


REAPER = pytest.StashKey[subprocess.Popen[bytes]]()


# rich and click read these. The tests state the width and the colours that they need.
TERMINAL_VARIABLES = ("COLUMNS", "LINES", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


def pytest_configure(config: pytest.Config) -> None:
    """Make the tests independent of the caller's terminal, and let the reaper find what they start."""
    for name in TERMINAL_VARIABLES:
        os.environ.pop(name, None)
    os.environ["TERM"] = "xterm-256color"
    start_reaper(config)


def start_reaper(config: pytest.Config) -> None:
    """Mark the processes of this run and of xdist's workers, so that the reaper ends those that an interrupt leaves."""
    if hasattr(config, "workerinput"):
        return
    os.environ.pop(VARIABLE, None)
    mark = secrets.token_hex(8)
    # A session of its own keeps Ctrl-C away from it. The pipe to it closes with this process.
    command = [sys.executable, "-I", "-S", reaper.__file__, mark]
    config.stash[REAPER] = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    os.environ[VARIABLE] = mark


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the campaign, and tests that the cluster cannot run (the local one authorizes every request)."""
    markers = ["local_only" if config.getoption("--kubeconfig") else "authorization"]
    if not config.getoption("--campaign"):
        markers.append("campaign")
    left_out = [item for item in items if any(item.get_closest_marker(marker) for marker in markers)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
