"""The logs of the pods of an agent, merged: as they are, or followed, with the pods that start meanwhile."""

import heapq
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import IO

from agentctl.cluster.kubectl import Kubectl, failure
from agentctl.cluster.watch import ErrorReader, watch
from agentctl.errors import CommandError
from agentctl.objects import Object, nested_field

# Each kubectl takes some CPU time and 40 MiB of memory.
_PARALLEL = 8
# A longer line is split.
_MAX_LINE = 64 * 1024
_QUEUED = 1_000


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log: the pod, the time (RFC 3339), and the text without both."""

    pod: str
    time: str
    text: str


@dataclass(frozen=True, slots=True)
class Options:
    """Which part of the logs to read; empty values leave the choice to kubectl."""

    container: str
    since: str = ""
    tail: int | None = None
    previous: bool = False

    def arguments(self, pod: str) -> list[str]:
        """Return the arguments of kubectl for one pod."""
        found = ["logs", pod, f"--container={self.container}", "--timestamps"]
        found += [f"--since={self.since}"] if self.since else []
        found += [f"--tail={self.tail}"] if self.tail is not None else []
        return [*found, "--previous"] if self.previous else found


def read(kubectl: Kubectl, pods: Sequence[Object], options: Options) -> Iterator[Line]:
    """Yield the lines of all pods in the order of their times.

    Raises:
        CommandError: no log could be read. One that cannot be read is left out if there are others.
    """
    names = [str(pod["metadata"]["name"]) for pod in pods]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        paths = [Path(folder, str(number)) for number in range(len(names))]
        with ThreadPoolExecutor(_PARALLEL) as pool:
            errors = list(
                pool.map(lambda it: _save(kubectl, options.arguments(it[0]), it[1]), zip(names, paths, strict=True))
            )
        if errors and all(errors):
            raise next(error for error in errors if error)
        files = [stack.enter_context(path.open("rb")) for path in paths]
        yield from heapq.merge(*map(parse, names, files), key=lambda line: line.time)


def _save(kubectl: Kubectl, arguments: list[str], path: Path) -> CommandError | None:
    with path.open("wb") as file, kubectl.start(*arguments) as process, ErrorReader(process) as errors:
        for chunk in iter(lambda: process.stdout.read(_MAX_LINE) if process.stdout else b"", b""):
            file.write(chunk)
        return failure(errors.text(), "logs", process.returncode) if process.wait() else None


def parse(pod: str, file: IO[bytes]) -> Iterator[Line]:
    """Yield the lines of a log with timestamps. A line without one has that of the line before."""
    time, whole = "", True
    for raw in iter(lambda: file.readline(_MAX_LINE), b""):
        text = raw.decode("utf-8", "replace").rstrip("\r\n")
        if whole and (found := _time(text)):
            time, text = found, text[len(found) + 1 :]
        whole = raw.endswith(b"\n")
        yield Line(pod, time, text)


def _time(text: str) -> str:
    word = text.partition(" ")[0]
    return word if word[:4].isdigit() and word[4:5] == "-" and word.endswith("Z") else ""


def follow(kubectl: Kubectl, selector: str, options: Options, max_pods: int) -> Iterator[Line]:
    """Yield the lines of all pods as they appear, also of pods and containers that start later.

    Raises:
        CommandError: the pods cannot be watched, a log cannot be read, or there are more than `max_pods`.
    """
    queue: Queue[Line | Exception] = Queue(_QUEUED)
    follower = _Follower(kubectl, options, max_pods, queue)
    Thread(target=follower.run, args=(selector,), daemon=True).start()
    while True:
        found = queue.get()
        if isinstance(found, Exception):
            raise found
        yield found


class _Follower:
    """Starts a thread for each container that runs."""

    def __init__(self, kubectl: Kubectl, options: Options, max_pods: int, queue: "Queue[Line | Exception]") -> None:
        self._kubectl = kubectl
        self._options = options
        self._max_pods = max_pods
        self._queue = queue
        # Pods and their restarts whose logs are, or were, followed.
        self._known: set[tuple[str, int]] = set()
        self._running: set[str] = set()

    def run(self, selector: str) -> None:
        """Watch the pods until the process ends."""
        try:
            first = set[str](pod["metadata"]["uid"] for pod in self._kubectl.get("pods", f"--selector={selector}"))
            while True:
                for event in watch(self._kubectl, "pods", f"--selector={selector}"):
                    if event.type != "DELETED":
                        self._start(event.object, first)
        except Exception as error:  # noqa: BLE001
            # The reader waits for the queue, and no other thread would end it.
            self._queue.put(error)

    def _start(self, pod: Object, first: set[str]) -> None:
        """Follow the log of a pod, unless it is known or its container has not started."""
        restarts = started_restarts(pod, self._options.container)
        uid, name = str(pod["metadata"]["uid"]), str(pod["metadata"]["name"])
        if restarts is None or (uid, restarts) in self._known:
            return
        if len(self._running) >= self._max_pods and name not in self._running:
            raise CommandError(
                f"more than {self._max_pods} pods run: choose one with --pod, or set a higher --max-pods"
            )
        # The start of a log that begins later is new, whatever --since says.
        options = self._options if uid in first else Options(self._options.container)
        first.discard(uid)
        self._known.add((uid, restarts))
        self._running.add(name)
        Thread(target=self._copy, args=(name, options), daemon=True).start()

    def _copy(self, name: str, options: Options) -> None:
        try:
            self._follow(name, options)
        except Exception as error:  # noqa: BLE001
            self._queue.put(error)
        finally:
            self._running.discard(name)

    def _follow(self, name: str, options: Options) -> None:
        with self._kubectl.start(*options.arguments(name), "--follow") as process, ErrorReader(process) as errors:
            for line in parse(name, process.stdout) if process.stdout else ():
                self._queue.put(line)
            if process.wait():
                error = failure(errors.text(), "logs", process.returncode)
                # A pod that is deleted meanwhile has no log.
                if "not found" not in str(error):
                    self._queue.put(error)


def started_restarts(pod: Object, container: str) -> int | None:
    """Return how often a container was restarted; None if it has not started."""
    for kind in ("containerStatuses", "initContainerStatuses"):
        for found in nested_field(pod, "status", kind) or ():
            if found.get("name") == container:
                state: Object = found.get("state") or {}
                has_log = "running" in state or "terminated" in state
                return int(found.get("restartCount") or 0) if has_log else None
    return None


def containers(pods: Iterable[Object]) -> list[str]:
    """Return the names of the containers of pods, without repetitions."""
    kinds = ("containers", "initContainers")
    found = (item for pod in pods for kind in kinds for item in nested_field(pod, "spec", kind) or ())
    return list(dict.fromkeys(str(item.get("name")) for item in found))
