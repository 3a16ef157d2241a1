"""Processes and their logs."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from localkube.apiserver.logs import PodLogOptions
from localkube.node import guard as guarding
from localkube.node import logs
from localkube.node.errors import StartError
from localkube.node.guard import Guard
from localkube.node.logs import LogWriter
from localkube.node.process import Process
from tests.patience import DEADLINE

SH = ["/bin/sh", "-c"]


async def start(guard: Guard, tmp_path: Path, script: str) -> Process:
    return await Process.start(
        [*SH, script],
        env={"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        log=LogWriter(tmp_path / "log"),
        guard=guard,
        pid_file=tmp_path / "run" / "a.pid",
    )


async def text(path: Path, **options: Any) -> str:
    return b"".join([chunk async for chunk in logs.read(path, None, PodLogOptions(**options))]).decode()


async def test_exit_code_and_output(guard: Guard, tmp_path: Path) -> None:
    process = await start(guard, tmp_path, "echo out; echo err >&2; printf rest; exit 3")
    assert await process.wait() == 3
    assert await text(tmp_path / "log") == "out\nerr\nrest\n"
    assert not (tmp_path / "run" / "a.pid").exists()


async def test_sigterm_gives_143_and_sigkill_137(guard: Guard, tmp_path: Path) -> None:
    process = await start(guard, tmp_path, "exec sleep 1000")
    assert await process.stop(10) == 143
    process = await start(guard, tmp_path, "trap '' TERM; echo ready; while true; do sleep 0.05; done")
    await process.log.changed()
    assert await process.stop(0.1) == 137


async def test_a_missing_command_is_reported(guard: Guard, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r'exec: "/no/such": .*No such file'):
        await Process.start(
            ["/no/such"], env={}, cwd=tmp_path, log=LogWriter(tmp_path / "log"), guard=guard, pid_file=tmp_path / "p"
        )


async def test_a_grandchild_with_the_pipe_does_not_keep_the_container_running(guard: Guard, tmp_path: Path) -> None:
    escaped = f"{sys.executable} -S -c 'import os, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(60)' &"
    process = await start(guard, tmp_path, f"{escaped} while ! test -s {tmp_path}/log; do sleep 0.02; done; exit 0")
    assert await asyncio.wait_for(process.wait(), DEADLINE) == 0
    os.kill(int(await text(tmp_path / "log")), 9)


async def test_a_pid_file_of_another_process_is_ignored(tmp_path: Path) -> None:
    pid_file = tmp_path / "pod" / "run" / "main.pid"
    pid_file.parent.mkdir(parents=True)
    pid_file.write_text(f"{os.getpid()} 1")
    assert guarding.end_leftovers(tmp_path) == 0
    assert not pid_file.exists()


async def test_lines_have_timestamps_and_long_ones_are_split(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log")
    writer.feed(b"one\ntw")
    writer.feed(b"o\n" + b"x" * (logs.MAX_LINE + 1))
    writer.close()
    lines = (await text(tmp_path / "log", timestamps=True)).splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ", line) for line in lines)
    assert [len(line) - 31 for line in lines] == [3, 3, logs.MAX_LINE, 1]


async def test_tail_and_since(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"{logs.stamp(at * 10**9)} line {at}\n" for at in range(5)))
    assert await text(path, tail=2) == "line 3\nline 4\n"
    assert await text(path, tail=0) == ""
    assert await text(path, since=3.0) == "line 3\nline 4\n"
    assert logs.last_lines(path, 1, 100) == "line 4\n"
    assert logs.last_lines(tmp_path / "no", 1, 100) == ""


async def test_a_follower_reads_until_the_log_is_closed(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log")
    writer.feed(b"before\n")

    async def follow() -> bytes:
        return b"".join([chunk async for chunk in logs.read(tmp_path / "log", writer, PodLogOptions())])

    follower = asyncio.create_task(follow())
    await asyncio.sleep(0)
    writer.feed(b"after\n")
    writer.close()
    assert await asyncio.wait_for(follower, DEADLINE) == b"before\nafter\n"
