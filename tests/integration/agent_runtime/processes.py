"""Processes that an agent needs: its model server and Redis."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2

from tests.patience import DEADLINE, free_port
from tests.polling import eventually

MODEL_SERVER = Path(__file__).parent / "model_server.py"


class ModelServer:
    """The process of the fake model server; see model_server.py."""

    def __init__(self, *arguments: str, scheme: str = "http") -> None:
        command: list[str | Path] = [sys.executable, MODEL_SERVER, *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = f"{scheme}://127.0.0.1:{int(self.process.stdout.readline())}"
        self.http = httpx2.Client(base_url=self.url, verify=False)

    def script(self, **steps: list[dict[str, Any]]) -> None:
        """Set the responses to the next requests."""
        self.http.put("/_script", json=steps).raise_for_status()

    def reset(self) -> None:
        """Delete the script and the recorded requests."""
        self.http.delete("/_script").raise_for_status()

    def go(self) -> None:
        """Release the next chunk of a step_by_step stream, or the next response on hold."""
        self.http.post("/_go").raise_for_status()

    def seen(self, part: str) -> list[dict[str, Any]]:
        """Return the recorded requests whose path contains `part`."""
        return [request for request in self.http.get("/_seen").json() if part in request["path"]]

    def stop(self) -> None:
        """Kill the process."""
        self.http.close()
        self.process.kill()
        self.process.communicate()


class RedisServer:
    """A process of Debian's redis-server, without persistence."""

    def __init__(self, *arguments: str, port: int | None = None) -> None:
        program = shutil.which("redis-server")
        assert program, "redis-server is missing: apt-get install redis-server"
        self.port = port or free_port()
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        # With a process title, Redis overwrites the environment by which tests/reaper.py finds processes of a test run.
        command += ["--set-proc-title", "no"]
        # A replica would otherwise write what it receives to dump.rdb in the current folder.
        command += ["--repl-diskless-load", "swapdb"]
        self.process = subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL)
        eventually("redis-server listens", self._is_listening)

    def command(self, *words: str) -> bytes:
        """Send one command and return the raw response."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as connection:
            parts = b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)
            connection.sendall(b"*%d\r\n%s" % (len(words), parts))
            return connection.recv(65536)

    def stop(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.wait()

    def _is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
