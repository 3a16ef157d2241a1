"""Forwards a port of this machine to a pod, through `kubectl port-forward`."""

import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from agentctl.cluster.kubectl import Kubectl, failure
from agentctl.cluster.watch import ErrorReader
from agentctl.errors import CommandError

# Seconds until kubectl listens.
TIMEOUT = 15.0
_LISTENING = re.compile(rb"Forwarding from 127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True)
class Forward:
    """A forwarded port.

    Attributes:
        url: the address on this machine.
        process: kubectl; it ends when the connection to the pod breaks.
    """

    url: str
    process: "subprocess.Popen[bytes]"

    @property
    def is_open(self) -> bool:
        """Whether kubectl runs."""
        return self.process.poll() is None


@contextmanager
def forwarded(kubectl: Kubectl, pod: str, port: int, local_port: int = 0) -> Iterator[Forward]:
    """Forward a port of this machine to a pod, until the end of the block.

    Args:
        kubectl: the cluster, with the namespace of the pod.
        pod: its name.
        port: of the pod.
        local_port: of this machine; 0 for a free one.

    Raises:
        CommandError: kubectl could not forward the port.
    """
    arguments = (f"pod/{pod}", f"{local_port or ''}:{port}", "--address=127.0.0.1")
    # In the background, because Ctrl-C stops an answer and not the connection.
    with (
        _ending_with_process(),
        kubectl.start("port-forward", *arguments, in_background=True) as process,
        ErrorReader(process) as errors,
    ):
        yield Forward(f"http://127.0.0.1:{_local_port(process, errors)}", process)


@contextmanager
def _ending_with_process() -> Iterator[None]:
    """Leave the block when this process gets a signal to end, so that kubectl ends, too."""
    before = {number: signal.signal(number, _exit) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _local_port(process: "subprocess.Popen[bytes]", errors: ErrorReader) -> int:
    timer = threading.Timer(TIMEOUT, process.kill)
    timer.start()
    try:
        for line in process.stdout or ():
            if match := _LISTENING.match(line):
                # kubectl prints a line for each connection, and would wait if nobody read it.
                threading.Thread(target=_drain, args=(process,), daemon=True).start()
                return int(match[1])
    finally:
        timer.cancel()
    if process.wait() < 0:
        raise CommandError(f"kubectl port-forward did not listen within {TIMEOUT:g} s: check the connection")
    raise failure(errors.text(), "port-forward", process.returncode)


def _drain(process: "subprocess.Popen[bytes]") -> None:
    # The port is closed, and the pipe with it, while this thread reads.
    with suppress(OSError, ValueError):
        for _ in process.stdout or ():
            pass
