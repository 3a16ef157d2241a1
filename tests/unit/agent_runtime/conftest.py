"""Tests of the runtime."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _without_tracer() -> Iterator[None]:
    """Run without the tracer of coverage.

    The limit on CPU time raises an error from a signal handler. If that happens while the tracer holds its lock, the
    next traced call waits forever.
    """
    tracer = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracer)
