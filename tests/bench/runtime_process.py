"""Processes of a benchmark. The measured process has one CPU core, and all other processes share another."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
START_DEADLINE = 120.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cores() -> tuple[set[int], set[int]]:
    """Return the core of the measured process and that of the others, which are the same if there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return {usable[0]}, {usable[-1]}


MEASURED, REST = cores()


def stay_on(core: set[int]) -> None:
    """Pin this process to a core."""
    os.sched_setaffinity(0, core)


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def process(
    *command: str | Path, core: set[int], log: Path | None = None, folder: Path = ROOT, **variables: str
) -> Iterator[int]:
    """Start a process on a core; return its id. Another process writes its output to the log, as in a pod."""
    with contextlib.ExitStack() as held:
        sink = held.enter_context(log.open("wb")) if log else subprocess.DEVNULL
        reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=sink)
        started = subprocess.Popen(
            command, stdout=reader.stdin, stderr=subprocess.STDOUT, env=os.environ | variables, cwd=folder
        )
        assert reader.stdin is not None
        reader.stdin.close()
        os.sched_setaffinity(started.pid, core)
        try:
            yield started.pid
        finally:
            started.kill()
            started.wait()
            reader.wait()


@contextlib.contextmanager
def model(**variables: Any) -> Iterator[str]:
    """Run a model server; yield the URL of its API."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with process(sys.executable, HERE / "runtime_model.py", core=REST, log=log, **variables):
            yield f"http://127.0.0.1:{int(_when_there(log))}/v1"


@contextlib.contextmanager
def redis() -> Iterator[int]:
    """Run a Redis; yield its port."""
    port = free_port()
    with process("redis-server", "--port", str(port), "--save", "", core=REST):
        _until(lambda: _listens(port), "redis-server")
        yield port


@dataclass(frozen=True)
class Running:
    """A measured server: its port, its process, and the seconds until it was ready."""

    port: int
    pid: int
    ready: float

    @property
    def cpu(self) -> float:
        """User and system CPU time in seconds, with that of children that have ended."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _TICKS

    @property
    def rss(self) -> float:
        """Resident memory in MiB."""
        return int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 2**20


@contextlib.contextmanager
def server(
    command: Sequence[str | Path], port: int, ready: str, log: Path, folder: Path = ROOT, **variables: str
) -> Iterator[Running]:
    """Run a server on the core of the measured process; yield it after the path `ready` has answered with 200."""
    begun = time.perf_counter()
    with process(*command, core=MEASURED, log=log, folder=folder, **variables) as pid:

        def answers() -> bool:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=5):
                return True
            if not Path(f"/proc/{pid}/statm").read_text(encoding="ascii").startswith("0 "):
                return False
            raise RuntimeError(log.read_text(encoding="utf-8", errors="replace")[-2000:])

        _until(answers, str(command[0]))
        running = Running(port, pid, time.perf_counter() - begun)
        time.sleep(1)
        yield running


@contextlib.contextmanager
def agent(tables: str) -> Iterator[Running]:
    """Run the runtime with these tables in its config."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "agent.toml").write_text(f"[agent]\n{tables}", encoding="utf-8")
        (folder / "system_prompt.txt").write_text("You are a helpful assistant.", encoding="utf-8")
        command = (sys.executable, "-m", "agent_runtime", "serve", "--config", folder / "agent.toml")
        port = free_port()
        variables: dict[str, Any] = {"PORT_HTTP": str(port), "PORT_METRICS": "0", "LISTEN_ADDRESS": "127.0.0.1"}
        with server(command, port, "/health/ready", folder / "log", **variables) as running:
            yield running


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _when_there(file: Path) -> str:
    """Return the first line that a process writes."""
    _until(lambda: file.exists() and file.read_text(encoding="utf-8").endswith("\n"), file.name)
    return file.read_text(encoding="utf-8")


def _until(check: Callable[[], bool], what: str) -> None:
    deadline = time.perf_counter() + START_DEADLINE
    while not check():
        if time.perf_counter() > deadline:
            raise TimeoutError(f"{what} is not ready")
        time.sleep(0.005)
