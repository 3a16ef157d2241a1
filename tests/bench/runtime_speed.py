"""Speed and size of the agent runtime: one process on its own core, in front of a model without latency.

    python tests/bench/runtime_speed.py [--seconds 5] [--rounds 3] [--peers]

The figures are medians of the rounds: time until ready and memory at rest; requests per second over 32 connections, of
completions and of sessions in Redis; latency and time to the first token that the runtime adds to the model, over one
connection; 500 streams of 30 tokens per second; and the slowdown of answers when clients send twice as many requests as
the runtime admits. The model, Redis and the clients share another core. --peers measures other servers in the same
rounds.

On a busy machine CPU seconds are more reliable than rates, so the table has both.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import runtime_load as load
import uvloop
from runtime_peers import PEERS, measure
from runtime_process import REST, Running, agent, model, redis, stay_on

COMPLETIONS, CHAT = "/v1/chat/completions", "/api/chat"
COMPLETION = b'{"model":"m","messages":[{"role":"user","content":"What is the answer?"}]%b}'
STREAM = COMPLETION % b',"stream":true'
# The default of limits.max_concurrent_requests.
ADMITTED = 1_000
STREAMS, RATE, WINDOW = 500, 30, (3.0, 8.0)
ECHO = '[[agent.models]]\nname = "m"\nprovider = "echo"\n'
# The aim of each figure.
AIMS = {
    "start to ready, echo": "<= 0.8",
    "start to ready, openai": "<= 0.8",
    "start to ready, openai and Redis": "<= 0.8",
    "memory at rest, echo": "<= 60",
    "memory at rest, openai": "<= 60",
    "memory at rest, openai and Redis": "<= 60",
    "conversations with Redis, 32 connections": ">= 1,200",
    "latency added, p50": "<= 1.2",
    "latency added, p99": "<= 6",
    "time to first token added, p50": "<= 1",
    f"{STREAMS} streams of {RATE} tokens/s": f"{STREAMS * RATE:,}",
    "overload, p50 of what is answered": "< 2",
    "overload, p99 of what is answered": "< 2",
}


@dataclass
class Figures:
    """The measured values by name and unit, one value per round."""

    values: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def note(self, name: str, unit: str, value: float) -> None:
        """Record a value."""
        self.values.setdefault((name, unit), []).append(value)
        sys.stderr.write(f"{name}: {value:,.2f} {unit}\n")

    def table(self) -> str:
        """Return a table with one line per figure: the median, the aim and the values."""
        lines = [f"{'median':>12} {'':7} {'aim':>9}  figure (values of the rounds)"]
        for (name, unit), values in self.values.items():
            rounds = ", ".join(f"{value:,.2f}" for value in values)
            lines.append(f"{statistics.median(values):12,.2f} {unit:7} {AIMS.get(name, ''):>9}  {name} ({rounds})")
        return "\n".join(lines)


def at_rest(running: Running, name: str, figures: Figures) -> None:
    """Record the time until ready and the memory at rest."""
    figures.note(f"start to ready, {name}", "s", running.ready)
    figures.note(f"start to ready, {name}: CPU", "s", running.cpu)
    figures.note(f"memory at rest, {name}", "MiB", running.rss)


def throughput(running: Running, name: str, ask: Callable[[], int], seconds: float, figures: Figures) -> None:
    """Record the requests per second and the CPU time per request."""
    cpu = running.cpu
    done = ask()
    figures.note(f"{name}, 32 connections", "req/s", done / seconds)
    figures.note(f"{name}: CPU of one", "ms", (running.cpu - cpu) * 1000 / max(1, done))


def added(running: Running, model_port: int, count: int, figures: Figures) -> None:
    """Record the latency that the runtime adds to the model."""

    def both(body: bytes, count: int) -> list[list[float]]:
        return [uvloop.run(load.latencies(port, COMPLETIONS, body, count)) for port in (model_port, running.port)]

    direct, through = both(COMPLETION % b"", count)
    for percent in (50, 99):
        at = len(direct) * percent // 100
        figures.note(f"latency added, p{percent}", "ms", through[at] - direct[at])
    direct, through = both(STREAM, count // 4)
    figures.note("time to first token added, p50", "ms", statistics.median(through) - statistics.median(direct))


def conversation(number: int) -> bytes:
    """Return a message of one of 32 sessions, whose history grows to its limit."""
    return json.dumps({"message": "What is the answer?", "session_id": f"s{number}"}).encode()


def _requests(port: int, path: str, body: Callable[[int], bytes], seconds: float) -> int:
    return uvloop.run(load.requests(port, path, body, seconds))


def answers(seconds: float, figures: Figures) -> None:
    """Measure start, memory, and responses without streams."""
    with model() as url, redis() as redis_port:
        gpt = f'[[agent.models]]\nname = "m"\nprovider = "openai"\nbase_url = "{url}"\n'
        memory = f'[agent.memory.cache]\nhost = "127.0.0.1"\nport = {redis_port}\n'
        with agent(ECHO) as running:
            at_rest(running, "echo", figures)
        with agent(gpt) as running:
            at_rest(running, "openai", figures)
            complete = partial(_requests, running.port, COMPLETIONS, lambda _: COMPLETION % b"", seconds)
            throughput(running, "completions", complete, seconds, figures)
            added(running, int(url.rpartition(":")[2].partition("/")[0]), int(seconds * 300), figures)
        with agent(gpt + memory) as running:
            at_rest(running, "openai and Redis", figures)
            converse = partial(_requests, running.port, CHAT, conversation, seconds)
            # The first run has short histories.
            converse()
            throughput(running, "conversations with Redis", converse, seconds, figures)


def streams(figures: Figures) -> None:
    """Measure many streams at the pace of a model."""
    with model(RATE=str(RATE), CHUNKS=str(RATE * int(WINDOW[1] + 3))) as url:
        gpt = f'[[agent.models]]\nname = "m"\nprovider = "openai"\nbase_url = "{url}"\n'
        with agent(gpt) as running:
            run = load.streams(running.port, COMPLETIONS, STREAM, STREAMS, WINDOW, lambda: running.cpu)
            rate, cpu, refused = uvloop.run(run)
        figures.note(f"{STREAMS} streams of {RATE} tokens/s", "tok/s", rate)
        figures.note(f"{STREAMS} streams of {RATE} tokens/s: CPU of a token", "ms", cpu * 1000)
        figures.note(f"{STREAMS} streams of {RATE} tokens/s: refused", "", refused)


def overload(seconds: float, figures: Figures) -> None:
    """Measure twice as many clients as the runtime admits, with a model that takes a second."""
    with model(DELAY="1") as url:
        gpt = f'[[agent.models]]\nname = "m"\nprovider = "openai"\nbase_url = "{url}"\n'
        with agent(gpt) as running:
            alone = uvloop.run(load.latencies(running.port, COMPLETIONS, COMPLETION % b"", 3))[1] / 1000
            run = load.overload(running.port, COMPLETIONS, COMPLETION % b"", 2 * ADMITTED, max(seconds, 4))
            times, refused = uvloop.run(run)
    for percent in (50, 99):
        of_one = times[len(times) * percent // 100] / alone
        figures.note(f"overload, p{percent} of what is answered", "x", of_one)
    figures.note("overload: refused with 503", "%", 100 * refused / (refused + len(times)))


def peers(seconds: float, figures: Figures) -> None:
    """Measure the other servers with the same requests."""
    with model() as url:
        for peer in PEERS:

            def measured(running: Running, ask: Callable[[], int], name: str = peer.name) -> None:
                at_rest(running, name, figures)
                throughput(running, name, ask, seconds, figures)

            try:
                measure(peer, url, seconds, measured)
            except (AssertionError, OSError, RuntimeError, subprocess.SubprocessError) as error:
                sys.stderr.write(f"{peer.name}: not measured: {error}\n")


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", action="store_true")
    arguments = parser.parse_args()
    stay_on(REST)
    figures = Figures()
    for _ in range(arguments.rounds):
        answers(arguments.seconds, figures)
        streams(figures)
        overload(arguments.seconds, figures)
        if arguments.peers:
            peers(arguments.seconds, figures)
    busy = " ".join(f"{load:.1f}" for load in os.getloadavg())
    sys.stdout.write(f"{figures.table()}\nload of the machine over 1, 5 and 15 minutes: {busy}\n")


if __name__ == "__main__":
    main()
