"""The program of the worker process. It reads requests from stdin and writes replies to stdout, as JSON after a length.

It has no environment variables, and imports only what a request needs: jinja2 for a prompt (21 MiB in all), pydantic
and yaml for checks (33 MiB). The kernel ends it when a request takes too long. At the end of stdin it ends, so it does
not outlive the operator.
"""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from agent_operator.sandbox.limits import CPU_SECONDS, HEADER_BYTES, MEMORY_BYTES, NOT_EVALUATED, RETIRE_BYTES

Handler = Callable[[Any], Any]


def main() -> None:
    """Answer requests until stdin ends."""
    _confine()
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    while (request := _read(requests)) is not None:
        kind, payload = request
        handler: Handler = import_module(f"agent_operator.sandbox.{kind}").evaluate
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        began = time.process_time()
        try:
            reply = json.dumps({"result": handler(payload), "cpu": time.process_time() - began}).encode()
        except Exception:  # noqa: BLE001  (handlers report what is wrong, so this is MemoryError or RecursionError)
            os._exit(NOT_EVALUATED)
        signal.setitimer(signal.ITIMER_PROF, 0)
        replies.write(len(reply).to_bytes(HEADER_BYTES, "big") + reply)
        replies.flush()
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > RETIRE_BYTES:
            return


def _read(stream: BinaryIO) -> tuple[str, Any] | None:
    header = stream.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return None
    kind, payload = json.loads(stream.read(int.from_bytes(header, "big")))
    return kind, payload


def _confine() -> None:
    """Limit the process. A limit that the system refuses is only the second line of defence."""
    # The default action of this signal ends the process, even inside of a function in C.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        with suppress(OSError, ValueError):
            resource.setrlimit(limit, (value, value))
    with suppress(OSError):
        os.nice(10)
    # If the container runs out of memory, the kernel ends this process, not the operator.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


if __name__ == "__main__":
    main()
