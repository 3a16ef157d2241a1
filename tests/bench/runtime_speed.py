"""How fast, how big: the agent runtime, one process on a core of its own, in front of a model of zero latency.

    python tests/bench/runtime_speed.py [--seconds 5] [--rounds 3]

Measured, medians of the rounds: start to ready and memory at rest; requests a second at 32 connections, of completions
and of conversations with their history in Redis; latency and time to first token that the runtime adds to the model's
own, at one connection; 500 streams of 30 tokens a second. The model and the clients share the other core.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import uvloop

HERE = Path(__file__).parent
AGENT_CORE, OTHER_CORE = {0}, {1}
START_DEADLINE = 30.0
COMPLETIONS = b'{"model":"m","messages":[{"role":"user","content":"What is the answer?"}]%b}'
TOKEN = b'"content":" word"'
END = b"0\r\n\r\n"


@contextlib.contextmanager
def process(*command: str | Path, core: set[int], **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process on a core."""

    def pin() -> None:
        os.sched_setaffinity(0, core)

    environment = os.environ | variables
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, preexec_fn=pin) as started:  # noqa: PLW1509  (no threads here)
        try:
            yield started
        finally:
            started.kill()


@contextlib.contextmanager
def model(**variables: str) -> Iterator[int]:
    """The model's server; its port."""
    with process(sys.executable, HERE / "runtime_model.py", core=OTHER_CORE, **variables) as started:
        assert started.stdout is not None
        yield int(started.stdout.readline())


@contextlib.contextmanager
def redis(port: int = 16399) -> Iterator[int]:
    """A Redis; its port."""
    with process("redis-server", "--port", str(port), "--save", "", core=OTHER_CORE):
        time.sleep(0.5)
        yield port


@dataclass(frozen=True)
class Running:
    """A runtime: its port and process, seconds until it was ready, MiB at rest."""

    port: int
    pid: int
    ready: float
    rss: float

    @property
    def cpu(self) -> float:
        """Seconds of user and system time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def agent(table: str) -> Iterator[Running]:
    """The runtime with this config."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "agent.toml").write_text(f"[agent]\n{table}")
        (Path(folder) / "system_prompt.txt").write_text("You are a helpful assistant.")
        command = (sys.executable, "-m", "agent_runtime", "serve", "--config", f"{folder}/agent.toml")
        begun = time.perf_counter()
        with process(*command, core=AGENT_CORE, PORT_HTTP="18000", PORT_METRICS="19090") as started:
            assert started.stdout is not None
            log = Path(folder) / "log"
            with log.open("wb") as file:
                # The log is read by a process of its own, as in a pod.
                reader = subprocess.Popen(["cat"], stdin=started.stdout, stdout=file)
            while not _ready():
                assert time.perf_counter() - begun < START_DEADLINE, log.read_text()
                time.sleep(0.005)
            ready = time.perf_counter() - begun
            time.sleep(1)
            pages = int(Path(f"/proc/{started.pid}/statm").read_text().split()[1])
            yield Running(18000, started.pid, ready, pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
        reader.wait()


def _ready() -> bool:
    try:
        with urllib.request.urlopen("http://127.0.0.1:18000/health/ready"):
            return True
    except OSError:
        return False


class Client:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def post(self, path: str, body: bytes) -> bytes:
        """Send a request; the answer's body."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in answer[:20], answer
        length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return await self.reader.readexactly(length)

    async def stream(self, path: str, body: bytes) -> tuple[float, int]:
        """Send a request; seconds to the first token, and how many tokens came."""
        begun = time.perf_counter()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body)
        first, tokens, tail = 0.0, 0, b""
        while not tail.endswith(END):
            # What is kept is too short to hold a token that was counted.
            received = tail[1 - len(TOKEN) :] + await self.reader.read(65536)
            tokens += received.count(TOKEN)
            if tokens and not first:
                first = time.perf_counter() - begun
            tail = received
        return first, tokens


async def requests(port: int, path: str, bodies: Callable[[int], bytes], seconds: float, connections: int = 32) -> int:
    """How many are answered in that time."""
    ends = time.perf_counter() + seconds
    done = 0

    async def ask(number: int) -> None:
        nonlocal done
        async with Client(port) as client:
            body = bodies(number)
            while time.perf_counter() < ends:
                await client.post(path, body)
                done += 1

    await asyncio.gather(*map(ask, range(connections)))
    return done


async def latencies(port: int, seconds: float) -> list[float]:
    """Milliseconds of each completion, one after the other."""
    found = []
    ends = time.perf_counter() + seconds
    async with Client(port) as client:
        while time.perf_counter() < ends:
            begun = time.perf_counter()
            await client.post("/v1/chat/completions", COMPLETIONS % b"")
            found.append((time.perf_counter() - begun) * 1000)
    return found


async def first_tokens(port: int, count: int = 300) -> float:
    """Median milliseconds to the first token."""
    async with Client(port) as client:
        body = COMPLETIONS % b',"stream":true'
        times = [(await client.stream("/v1/chat/completions", body))[0] for _ in range(count)]
    return statistics.median(times) * 1000


async def streams(port: int, count: int = 500) -> tuple[float, float]:
    """Tokens a second over so many streams at once, and the seconds that they took."""
    begun = time.perf_counter()

    async def one() -> int:
        async with Client(port) as client:
            return (await client.stream("/v1/chat/completions", COMPLETIONS % b',"stream":true'))[1]

    tokens = sum(await asyncio.gather(*(one() for _ in range(count))))
    seconds = time.perf_counter() - begun
    return tokens / seconds, seconds


Note = Callable[[str, str, float], None]


def _completions(running: Running, model_port: int, seconds: float, note: Note) -> None:
    _throughput("completions", running, "/v1/chat/completions", lambda _: COMPLETIONS % b"", seconds, note)
    direct, through = (sorted(uvloop.run(latencies(one, seconds / 2))) for one in (model_port, running.port))
    for percent in (50, 99):
        at = [times[len(times) * percent // 100] for times in (direct, through)]
        note(f"latency added, p{percent}, 1 connection", "ms", at[1] - at[0])
    first = [uvloop.run(first_tokens(port)) for port in (model_port, running.port)]
    note("time to first token added, p50", "ms", first[1] - first[0])


def _throughput(
    what: str, running: Running, path: str, bodies: Callable[[int], bytes], seconds: float, note: Note
) -> None:
    cpu = running.cpu
    done = uvloop.run(requests(running.port, path, bodies, seconds))
    note(f"{what}, 32 connections", "req/s", done / seconds)
    note(f"{what}: CPU of one", "ms", (running.cpu - cpu) * 1000 / done)


def _conversation(number: int) -> bytes:
    """A message of one of 32 conversations, whose history grows to its bound."""
    return json.dumps({"message": "What is the answer?", "session_id": f"s{number}"}).encode()


def say(what: str, values: list[float], unit: str) -> None:
    """One line of the result."""
    shown = ", ".join(f"{value:,.2f}" for value in values)
    sys.stdout.write(f"{what:58} {statistics.median(values):10,.2f} {unit:6} ({shown})\n")


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, OTHER_CORE)
    seconds, rounds = arguments.seconds, range(arguments.rounds)
    echo = '[[agent.models]]\nname="m"\nprovider="echo"\n'
    found: dict[tuple[str, str], list[float]] = {}

    def note(what: str, unit: str, value: float) -> None:
        found.setdefault((what, unit), []).append(value)
        sys.stderr.write(f"{what}: {value:,.2f} {unit}\n")

    with model() as model_port, redis() as redis_port:
        gpt = f'[[agent.models]]\nname="m"\nprovider="openai"\nbase_url="http://127.0.0.1:{model_port}/v1"\n'
        memory = f'[agent.memory.cache]\nhost="127.0.0.1"\nport={redis_port}\n'
        for _ in rounds:
            for name, table in (("echo", echo), ("openai", gpt), ("openai, Redis", gpt + memory)):
                with agent(table) as running:
                    note(f"{name}: start to ready", "s", running.ready)
                    note(f"{name}: memory at rest", "MiB", running.rss)
                    if name == "openai":
                        _completions(running, model_port, seconds, note)
                    if name == "openai, Redis":
                        _throughput("conversations with Redis", running, "/api/chat", _conversation, seconds, note)
    with model(RATE="30", CHUNKS="150") as model_port:
        gpt = f'[[agent.models]]\nname="m"\nprovider="openai"\nbase_url="http://127.0.0.1:{model_port}/v1"\n'
        for _ in rounds:
            note("500 streams of 30 tokens/s, the model alone", "tok/s", uvloop.run(streams(model_port))[0])
            with agent(gpt) as running:
                note("500 streams of 30 tokens/s, through the runtime", "tok/s", uvloop.run(streams(running.port))[0])
    for (what, unit), values in found.items():
        say(what, values, unit)


if __name__ == "__main__":
    main()
