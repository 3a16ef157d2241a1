"""A local cluster with real processes, and the real kubectl for it."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from localkube.cluster import LocalCluster
from tests import fast_yaml as yaml
from tests.patience import DEADLINE

WEB = """
import os, signal, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/crash":
            os._exit(3)
        code = 503 if self.path == "/ready" and os.environ.get("READY") == "never" else 200
        body = (os.environ["HOSTNAME"] + " " + os.environ.get("VERSION", "")).encode()
        if self.path.startswith("/file/"):
            body = Path(sys.argv[int(self.path.removeprefix("/file/"))]).read_bytes()
        if self.path.startswith("/env/"):
            body = os.environ.get(self.path.removeprefix("/env/"), "(unset)").encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size = 128

server = Server((os.environ["LISTEN_ADDRESS"], int(os.environ["PORT_HTTP"])), Handler)
def stop(*_):
    print("got SIGTERM", flush=True)
    threading.Thread(target=server.shutdown).start()
signal.signal(signal.SIGTERM, stop)
print("serving", os.environ.get("VERSION", ""), flush=True)
server.serve_forever()
server.server_close()
print("bye", flush=True)
"""

SHELL = ["/bin/sh", "-c"]


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Runs kubectl against the cluster."""

    kubeconfig: Path

    async def start(self, *args: str) -> asyncio.subprocess.Process:
        """Start kubectl in the background."""
        return await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("kubectl")),
            *args,
            env={"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.kubeconfig.parent)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def __call__(self, *args: str, given: str = "", fails: bool = False) -> str:
        """Run kubectl and return its output; it must succeed, or fail with `fails`."""
        child = await self.start(*args)
        output, _ = await asyncio.wait_for(child.communicate(given.encode()), DEADLINE)
        text = output.decode()
        assert (child.returncode != 0) == fails, text
        return text

    async def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects."""
        await self("apply", "-f", "-", given=yaml.safe_dump_all(objects))


@pytest.fixture
def web_image(tmp_path: Path) -> list[str]:
    """The command of a small HTTP server."""
    program = tmp_path / "web.py"
    program.write_text(WEB)
    return [sys.executable, "-S", str(program)]


@pytest.fixture
async def cluster(tmp_path: Path, web_image: list[str]) -> AsyncIterator[LocalCluster]:
    """A cluster with the images web:* and sh:*, and with short delays of probes and back-offs."""
    async with LocalCluster(
        images={"web:*": web_image, "sh:*": SHELL},
        state_dir=tmp_path / "cluster",
        probe_time_scale=0.1,
        backoff_time_scale=0.05,
    ) as running:
        yield running


@pytest.fixture
def kubectl(cluster: LocalCluster, tmp_path: Path) -> Kubectl:
    """The real kubectl."""
    kubeconfig = tmp_path / "kubeconfig"
    cluster.write_kubeconfig(kubeconfig)
    return Kubectl(kubeconfig)


Until = Callable[[Callable[[], Any]], Awaitable[Any]]


@pytest.fixture
def until() -> Until:
    """Wait until a condition returns a true value, and return it."""

    async def wait(condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + DEADLINE
        while not (found := condition()):
            assert time.monotonic() < deadline, "the condition did not come about in time"
            await asyncio.sleep(0.02)
        return found

    return wait


Deployment = Callable[..., dict[str, Any]]


@pytest.fixture
def deployment() -> Deployment:
    """Make a Deployment `web` with one container; keywords are fields of the container."""

    def make(*, replicas: int = 1, spec: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
        given = {
            "name": "main",
            "image": "web:1",
            "ports": [{"name": "http", "containerPort": 8000}],
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1},
            **container,
        }
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [given]}}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
            | (spec or {}),
        }

    return make


@pytest.fixture
def service() -> dict[str, Any]:
    """A Service `web` for the pods of the Deployment, on an unprivileged port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 8080, "targetPort": "http"}]},
    }


@pytest.fixture
def pods(cluster: LocalCluster) -> Callable[[], list[dict[str, Any]]]:
    """The pods of the namespace default."""
    return lambda: cluster.registry.list("pods", "default")


Make = Callable[..., dict[str, Any]]


@pytest.fixture
def shell() -> Make:
    """Make a container `main` that runs a shell script."""
    return lambda script, **more: {"name": "main", "image": "sh:1", "args": [script], **more}


@pytest.fixture
def pod(shell: Make) -> Make:
    """Make a pod; by default with a container that sleeps. Keywords are fields of its spec."""

    def make(name: str = "one", *, containers: list[dict[str, Any]] | None = None, **spec: Any) -> dict[str, Any]:
        found = containers or [shell("exec sleep 1000")]
        metadata = {"name": name, "labels": {"app": name}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": found, **spec}}

    return make


@pytest.fixture
def config_map() -> Make:
    """Make a ConfigMap."""
    return lambda name, data: {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@pytest.fixture
def secret() -> Make:
    """Make a Secret whose one key has the value xyzzy."""
    return lambda name, key: {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {key: "xyzzy"},
    }


@dataclass(frozen=True, slots=True)
class Observed:
    """The status of the pod `one`, and Events."""

    cluster: LocalCluster

    def state(self) -> dict[str, Any]:
        """The status of the first container."""
        found = self.cluster.registry.find("pods", "default", "one") or {}
        statuses: list[dict[str, Any]] = found.get("status", {}).get("containerStatuses") or [{}]
        return statuses[0]

    def waiting(self) -> dict[str, Any]:
        """The waiting state of the first container."""
        found: dict[str, Any] = self.state().get("state", {}).get("waiting", {})
        return found

    def events(self, reason: str) -> list[str]:
        """The messages of the Events with a reason."""
        return [e["message"] for e in self.cluster.registry.list("events", "default") if e["reason"] == reason]


@pytest.fixture
def observed(cluster: LocalCluster) -> Observed:
    """The observed state of the cluster."""
    return Observed(cluster)
