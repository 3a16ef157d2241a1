"""Watches objects through `kubectl get --watch`."""

import io
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from agentctl.cluster.kubectl import Kubectl, failure
from agentctl.objects import Object

# Characters of standard error that are kept, of which the last line is the reason of a failure.
_MAX_STDERR = 8_192
_END = b"}\n"


@dataclass(frozen=True, slots=True)
class Event:
    """A change of an object: ADDED, MODIFIED or DELETED."""

    type: str
    object: Object


def watch(kubectl: Kubectl, *arguments: str) -> Iterator[Event]:
    """Yield the objects that exist, as ADDED, and then their changes. The API server ends a watch after a while.

    Args:
        kubectl: the cluster.
        arguments: those of `kubectl get`.

    Raises:
        CommandError: the watch failed.
    """
    options = ("--watch", "--output-watch-events", "--output=json")
    with kubectl.start("get", *arguments, *options) as process, ErrorReader(process) as errors:
        try:
            yield from _events(process)
            if process.wait():
                raise failure(errors.text(), "get", process.returncode)
        finally:
            process.kill()


def _events(process: "subprocess.Popen[bytes]") -> Iterator[Event]:
    """Parse the objects of kubectl: one on each line, or indented, so that only the last line is a lone brace."""
    lines: list[bytes] = []
    for line in process.stdout or ():
        lines.append(line)
        if line == _END or (len(lines) == 1 and line.endswith(_END)):
            found = json.loads(b"".join(lines))
            lines.clear()
            yield Event(str(found["type"]), found["object"])


class ErrorReader:
    """Reads the standard error of a process in a thread, so that the process never waits for a reader."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._found = b""
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._thread.join()

    def text(self) -> str:
        """Return the end of what the process wrote; call it after the process has ended."""
        self._thread.join()
        return self._found.decode("utf-8", "replace")

    def _read(self) -> None:
        stream = self._process.stderr
        # In pieces, because nothing bounds the length of a line.
        while isinstance(stream, io.BufferedReader) and (piece := stream.read1(_MAX_STDERR)):
            self._found = (self._found + piece)[-_MAX_STDERR:]
