"""Other servers between a client and a model, measured like the runtime. Each is installed from PyPI into a venv.

The venvs stay in the cache folder of the user. A peer that cannot be installed or started is reported and skipped.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import runtime_load as load
import uvloop
from runtime_process import HERE, Running, free_port, server

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "agent-operator" / "bench"
INSTALL_DEADLINE = 900
COMPLETION = b'{"model":"m","messages":[{"role":"user","content":"What is the answer?"}]}'


@dataclass(frozen=True)
class Peer:
    """A server, and how to start it.

    Attributes:
        packages: the packages to install; none if the server is part of this folder.
        files: the contents of its folder by name. {url} is the API of the model, {port} the port of the server.
        command: runs in its folder. It has the same placeholders, and {bin} for the programs of its venv.
    """

    name: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    ready: str
    path: str
    body: bytes
    files: Mapping[str, str]
    variables: Mapping[str, str]


RELAY = Peer(
    name="bare aiohttp relay",
    packages=(),
    command=(sys.executable, str(HERE / "runtime_relay.py"), "{port}"),
    ready="/ready",
    path="/v1/chat/completions",
    body=COMPLETION,
    files={},
    variables={"MODEL_URL": "{url}"},
)
LITELLM = Peer(
    name="LiteLLM proxy 1.106.2, one worker",
    packages=("litellm[proxy]==1.106.2",),
    command=("{bin}/litellm", "--config", "config.yaml", "--host", "127.0.0.1", "--port", "{port}"),
    ready="/health/liveliness",
    path="/v1/chat/completions",
    body=COMPLETION,
    files={
        "config.yaml": (
            "model_list: [{{model_name: m, litellm_params: {{model: openai/m, api_base: '{url}', api_key: x}}}}]"
        )
    },
    variables={
        # Otherwise it tries for seconds to download a list of prices, and then requires a key.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        "LITELLM_LOG": "ERROR",
    },
)
_MESSAGE = {"role": "user", "messageId": "1", "kind": "message", "parts": [{"kind": "text", "text": "What is it?"}]}
KAGENT = Peer(
    name="kagent-adk 0.10.4",
    # It does not start with a newer a2a-sdk.
    packages=("kagent-adk==0.10.4", "a2a-sdk<1"),
    command=("{bin}/kagent-adk", "run", "bench", "--local", "--port", "{port}", "--working-dir", "."),
    ready="/health",
    path="/",
    body=json.dumps({"jsonrpc": "2.0", "id": "1", "method": "message/send", "params": {"message": _MESSAGE}}).encode(),
    files={
        "bench/__init__.py": "from . import agent\n",
        "bench/agent.py": (
            "from google.adk.agents import LlmAgent\n"
            "from kagent.adk.models._openai import OpenAI\n"
            "model = OpenAI(type='openai', model='m', base_url='{url}', api_key='x')\n"
            "root_agent = LlmAgent(name='bench', instruction='You are a helpful assistant.', model=model)\n"
        ),
        "bench/agent-card.json": (
            '{{"name": "bench", "description": "bench", "url": "http://127.0.0.1:{port}", "version": "1", '
            '"capabilities": {{}}, "defaultInputModes": ["text"], "defaultOutputModes": ["text"], "skills": []}}'
        ),
    },
    variables={
        "KAGENT_URL": "http://127.0.0.1:9",
        "KAGENT_NAME": "bench",
        "KAGENT_NAMESPACE": "bench",
        "LOG_LEVEL": "error",
    },
)
PEERS = (RELAY, LITELLM, KAGENT)


def measure(peer: Peer, model_url: str, seconds: float, measured: Callable[[Running, Callable[[], int]], None]) -> None:
    """Start a peer; call `measured` with its process and with a function that sends requests and counts responses.

    Raises:
        OSError, RuntimeError, subprocess.SubprocessError: the peer cannot be installed or started, or does not answer.
    """
    programs = _installed(peer)
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in peer.files.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(text.format(url=model_url, port=port), encoding="utf-8")
        command = [word.format(port=port, bin=programs) for word in peer.command]
        variables = {key: value.format(url=model_url) for key, value in peer.variables.items()}
        with server(command, port, peer.ready, folder / "log", folder, **variables) as running:

            def ask() -> int:
                return uvloop.run(load.requests(port, peer.path, lambda _: peer.body, seconds))

            measured(running, ask)


def _installed(peer: Peer) -> Path:
    """Install the packages of a peer if necessary; return the folder of their programs."""
    if not peer.packages:
        return Path(sys.executable).parent
    venv = CACHE / peer.name.partition(",")[0].replace(" ", "-")
    done = venv / "installed"
    if not done.exists():
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if uv is None:
            raise FileNotFoundError("uv is missing")
        sys.stderr.write(f"installing {', '.join(peer.packages)} into {venv}\n")
        commands: tuple[list[str | Path], ...] = (
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, venv],
            [uv, "pip", "install", "--quiet", "--python", venv / "bin" / "python", *peer.packages],
        )
        for command in commands:
            subprocess.run(command, check=True, timeout=INSTALL_DEADLINE)
        done.touch()
    return venv / "bin"
