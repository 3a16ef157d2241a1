"""The dependencies that all pods of a node share."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from localkube.apiserver.registry import Registry
from localkube.client.events import EventRecorder
from localkube.node.addresses import Addresses
from localkube.node.guard import Guard
from localkube.node.images import ImageMap
from localkube.node.service_names import Resolve, nowhere, rewrite

_INHERITED = {"PATH", "VIRTUAL_ENV", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"}
_INHERITED_PREFIXES = ("PYTHON", "LC_")


@dataclass(frozen=True, slots=True)
class Timing:
    """Delays and back-offs in seconds. A scale multiplies them: 1.0 is as in the kubelet, less is quicker."""

    probe_scale: float = 1.0  # multiplies the initial delays and periods of probes, not their timeouts
    backoff_scale: float = 1.0  # multiplies the delays of CrashLoopBackOff and ImagePullBackOff
    backoff_first: float = 10.0
    backoff_last: float = 300.0
    backoff_reset: float = 600.0  # a container that ran for longer starts again with the first back-off

    def backoff(self, restarts: int) -> float:
        """Seconds before the next restart. The first restart is immediate."""
        if restarts == 0:
            return 0.0
        return float(min(self.backoff_first * 2 ** min(restarts - 1, 16), self.backoff_last))


@dataclass(frozen=True, slots=True)
class Machine:
    """The dependencies of every pod. `root` contains the directories of pods, by uid."""

    name: str
    registry: Registry
    events: EventRecorder
    images: ImageMap
    addresses: Addresses
    guard: Guard
    client: aiohttp.ClientSession
    root: Path
    timing: Timing = Timing()
    clock: Callable[[], float] = time.time
    inherited: Mapping[str, str] = field(default_factory=lambda: inherited(os.environ))
    resolve: Resolve = nowhere

    def with_service_addresses(self, text: str) -> str:
        """Replace the DNS names of Services in a text with their addresses."""
        return rewrite(text, self.resolve, self._ports) if ".svc" in text else text

    def _ports(self, namespace: str, service: str) -> list[int]:
        found = self.registry.find("services", namespace, service) or {"spec": {}}
        return [port["port"] for port in found["spec"].get("ports") or ()]


def duration(seconds: float) -> str:
    """Format seconds like Go's time.Duration: `10s`, `2m40s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of the caller that a process needs to start; never the caller's secrets or home."""
    kept = {k: v for k, v in environment.items() if k in _INHERITED or k.startswith(_INHERITED_PREFIXES)}
    # Python buffers output to a pipe: without this variable logs are late, and those of a killed process are lost.
    return {"PYTHONUNBUFFERED": "1", **kept}
