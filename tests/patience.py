"""The deadline of tests, and free ports for their servers."""

import itertools
import os
import random
import socket

# Seconds. Only a failing test waits this long, so it can be long enough for a busy machine.
DEADLINE = 120.0
# The kernel assigns ephemeral ports from here on (32768 on Linux), so these may be in use at any time.
_GIVEN_BY_THE_SYSTEM = 32768
_ports = itertools.count(random.Random(os.getpid()).randrange(12000, 30000))


def free_port() -> int:
    """A free port of 127.0.0.1 outside the range of ephemeral ports."""
    for port in _ports:
        assert port < _GIVEN_BY_THE_SYSTEM, "no port is free"
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("unreachable")
