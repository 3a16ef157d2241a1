"""A Kubernetes cluster in one process: API server, controllers, and a node that runs pods as local processes."""

import resource
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

from localkube.apiserver.http.server import ApiServer
from localkube.apiserver.http.tls import Identity
from localkube.apiserver.registry import Registry
from localkube.controllers.controller import Context
from localkube.controllers.manager import ControllerManager
from localkube.node import addresses
from localkube.node.addresses import Addresses
from localkube.node.guard import Guard
from localkube.node.images import Image, ImageMap
from localkube.node.lock import DirectoryLock
from localkube.node.machine import Machine, Timing
from localkube.node.node import Node
from localkube.node.proxy import ServiceProxy
from localkube.node.stand_in import StandInNode

NODE = "local"
CONTEXT = "local-cluster"


@dataclass(kw_only=True)
class LocalCluster:
    """An async context manager. `url`, `registry` and `kubeconfig` are available after it is entered.

    images: from patterns of image names (`ghcr.io/acme/web:*`) to the command of the entrypoint, or to an Image.
    state_dir: directory for the files and logs of pods; by default a temporary one, which is removed at the end.
    run_pods: False leaves every pod Pending. stand_in: pods are reported as Ready without running processes.
    probe_time_scale: multiplies delays and periods of probes. backoff_time_scale: multiplies back-offs.
    """

    images: Mapping[str, Image | Sequence[str]] = field(default_factory=dict)
    state_dir: Path | None = None
    run_pods: bool = True
    stand_in: bool = False
    probe_time_scale: float = 1.0
    backoff_time_scale: float = 1.0

    def __post_init__(self) -> None:
        # Without a token, every local user could create pods, which run commands as this user.
        self._token = secrets.token_urlsafe(24)
        self._stack = AsyncExitStack()
        self._server: ApiServer | None = None
        self._proxy: ServiceProxy | None = None
        self._manager: ControllerManager | None = None
        self._registry: Registry | None = None
        self._identity: Identity | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._assemble(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _assemble(self, stack: AsyncExitStack) -> None:
        _raise_file_limit()
        root = self._directory(stack)
        claimed = addresses.claim()
        stack.callback(claimed.close)
        registry = self._registry = Registry(services=claimed.services)
        registry.bootstrap()
        identity = self._identity = Identity.generate()
        context = Context(registry, backoff_scale=self.backoff_time_scale)
        client = await stack.enter_async_context(aiohttp.ClientSession())
        machine = self._machine(context, claimed, client, root)
        certificate = identity.certificate.decode()
        node = NODE if self._has_node else ""
        manager = ControllerManager(context, node=node, lookup=claimed.port, certificate=certificate)
        self._manager = await stack.enter_async_context(manager)
        logs: Node | StandInNode | None = None
        if self._has_node:
            logs = await stack.enter_async_context(StandInNode(machine) if self.stand_in else Node(machine))
        if self._has_node and not self.stand_in:
            proxy = ServiceProxy(registry, context.recorder("service-proxy"))
            self._proxy = await stack.enter_async_context(proxy)
        executor = logs if isinstance(logs, Node) else None
        server = ApiServer(registry, token=self._token, logs=logs, executor=executor, identity=identity)
        self._server = await stack.enter_async_context(server)

    @property
    def _has_node(self) -> bool:
        return self.run_pods or self.stand_in

    def _directory(self, stack: AsyncExitStack) -> Path:
        if self.state_dir is None:
            return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="local-cluster-")))
        self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        stack.enter_context(DirectoryLock(self.state_dir))
        return self.state_dir.resolve()

    def _machine(self, context: Context, claimed: Addresses, client: aiohttp.ClientSession, root: Path) -> Machine:
        return Machine(
            name=NODE,
            registry=context.registry,
            events=context.recorder("kubelet"),
            images=ImageMap(self.images),
            addresses=claimed,
            guard=Guard(),
            client=client,
            root=root / "pods",
            timing=Timing(probe_scale=self.probe_time_scale, backoff_scale=self.backoff_time_scale),
            clock=context.clock,
            resolve=self.service_address,
        )

    @property
    def registry(self) -> Registry:
        """The registry: the API without HTTP."""
        if self._registry is None:
            raise RuntimeError("the cluster is not entered")
        return self._registry

    @property
    def url(self) -> str:
        """The URL of the API server."""
        if self._server is None:
            raise RuntimeError("the cluster is not entered")
        return self._server.url

    @property
    def is_idle(self) -> bool:
        """Whether no change waits for a controller or for garbage collection. Timers are not considered."""
        return self._manager is not None and self._manager.is_idle and self.registry.garbage.is_idle

    def service_address(self, namespace: str, service: str, port: int) -> tuple[str, int] | None:
        """The address on which the proxy listens for a port of a Service: its clusterIP if the system allows it."""
        return self._proxy.address(namespace, service, port) if self._proxy else None

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig with one context. It contains the token: keep it private."""
        authority = self._identity.authority_data if self._identity else ""
        cluster = {"server": self.url, "certificate-authority-data": authority}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": CONTEXT, "cluster": cluster}],
            "users": [{"name": CONTEXT, "user": {"token": self._token}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT, "namespace": "default"}}],
            "current-context": CONTEXT,
        }

    def write_kubeconfig(self, path: Path) -> None:
        """Write the kubeconfig to a file that only its owner can read."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(yaml.safe_dump(self.kubeconfig(), sort_keys=False))


def _raise_file_limit() -> None:
    """Raise the limit of open files to the maximum: every pod needs a pipe and every Service a listener."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # macOS reports a hard limit that it does not grant
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
