"""How long tests wait for what has to happen, and ports on which they may have a server listen."""

import itertools
import os
import random
import socket

# Seconds. Only a test that fails waits this long, so it costs nothing to allow for a machine that is busy.
DEADLINE = 120.0
# The system gives ports from here on (32768 on Linux) to whoever asks for any: such a port may be taken at any time.
_GIVEN_BY_THE_SYSTEM = 32768
_ports = itertools.count(random.Random(os.getpid()).randrange(12000, 30000))


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens, and which the system gives to no one else."""
    for port in _ports:
        assert port < _GIVEN_BY_THE_SYSTEM, "no port is free"
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("unreachable")
