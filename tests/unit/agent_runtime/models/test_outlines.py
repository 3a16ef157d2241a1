"""Outlines are drawn by a child process, which loads the SDK and ends. Tests are processes of their own, to fork."""

import json
import subprocess
import sys
from typing import Any

import pytest

SCRIPT = """
import asyncio, json, os, signal, sys, threading
from agent_runtime.config import ModelConfig
from agent_runtime.environment import read
from agent_runtime.models.outlines import Outlines

async def main():
    before()
    outlines = Outlines([ModelConfig(name="m", provider="openai")], read({"OPENAI_API_KEY": "k"}))
    after(outlines)
    first, second = await asyncio.gather(outlines.of("m"), outlines.of("m"))
    outlines.close()
    try:
        os.waitpid(-1, os.WNOHANG)
        left = True
    except ChildProcessError:
        left = False
    told = {"url": first.completions, "same": first is second, "loaded": "openai" in sys.modules, "left": left}
    print(json.dumps(told | {"key": first.headers["authorization"]}))

def before():
    pass

def after(outlines):
    pass

%s
asyncio.run(main())
"""
NOTHING = ""
KILLED = "def after(outlines):\n    os.kill(outlines._child[0], signal.SIGKILL)"
BESIDE_A_THREAD = "def before():\n    threading.Thread(target=threading.Event().wait, daemon=True).start()"


def drawn(change: str) -> dict[str, Any]:
    """What the script tells."""
    command = [sys.executable, "-W", "error", "-c", SCRIPT % change]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize(("change", "loaded"), [(NOTHING, False), (KILLED, True), (BESIDE_A_THREAD, True)])
def test_the_sdk_is_loaded_here_only_where_a_child_cannot_draw(change: str, loaded: bool) -> None:
    """The outline is the same, is drawn once, and no child is left."""
    assert drawn(change) == {
        "url": "https://api.openai.com/v1/chat/completions",
        "same": True,
        "loaded": loaded,
        "left": False,
        "key": "Bearer k",
    }
