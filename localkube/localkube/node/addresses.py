"""IP addresses of pods: one per pod if the system has 127.0.0.0/8, else one for all pods with a free port per port."""

import socket
import sys
from collections.abc import Iterator
from typing import Protocol

from localkube.meta.status import Object

KUBELET_PORT = 10250
BLOCKS = 63  # 127.1 … 127.63 for pods, 127.65 … 127.127 for Services
PODS = 65_000


class Addresses(Protocol):
    """Allocates the addresses of pods."""

    node: str
    services: str  # the network of clusterIPs, as CIDR

    def allocate(self, uid: str) -> str:
        """Allocate the podIP of a new pod."""
        ...

    def release(self, uid: str) -> None:
        """Release the address of a deleted pod."""
        ...

    def port(self, pod: Object, number: int) -> int:
        """The port on which a pod's process listens in place of a containerPort."""
        ...

    def close(self) -> None:
        """Release the addresses of all pods."""
        ...


def has_loopback_network() -> bool:
    """Whether every address of 127.0.0.0/8 is local, as on Linux; macOS has only 127.0.0.1."""
    return sys.platform == "linux"


class LoopbackBlock:
    """127.N.0.0/16 for pods and 127.N+64.0.0/16 for Services, which no other local cluster uses.

    A listener on the kubelet port of the node's address claims the block. The system closes it when the process ends.
    """

    def __init__(self, block: int, claim: socket.socket) -> None:
        self.block = block
        self.node = f"127.{block}.0.1"
        self.services = f"127.{block + BLOCKS + 1}.0.0/16"
        self._claim = claim
        self._by_uid: dict[str, str] = {}
        self._taken: set[str] = set()
        self._candidates = self._cycle()

    @classmethod
    def claim(cls) -> "LoopbackBlock":
        """Claim the first free block. Raises OSError if there is none."""
        for block in range(1, BLOCKS + 1):
            listener = socket.socket()
            try:
                listener.bind((f"127.{block}.0.1", KUBELET_PORT))
                listener.listen(1)
            except OSError:
                listener.close()
                continue
            return cls(block, listener)
        raise OSError("no block of loopback addresses is free: too many local clusters run")

    def _cycle(self) -> Iterator[str]:
        # Reuse an address as late as possible, because connections to its former pod may be open.
        while True:
            for number in range(2, PODS):
                high, low = divmod(number, 256)
                if low not in (0, 255):
                    yield f"127.{self.block}.{high}.{low}"

    def allocate(self, uid: str) -> str:
        """Allocate a free address of the block."""
        address = next(a for a in self._candidates if a not in self._taken)
        self._by_uid[uid] = address
        self._taken.add(address)
        return address

    def release(self, uid: str) -> None:
        """Release the pod's address."""
        self._taken.discard(self._by_uid.pop(uid, ""))

    def port(self, _pod: Object, number: int) -> int:
        """The containerPort itself."""
        return number

    def close(self) -> None:
        """Release the block."""
        self._claim.close()


class SharedLoopback:
    """127.0.0.1 for every pod, and a free port of the machine for every containerPort."""

    node = "127.0.0.1"
    services = "127.64.0.0/16"  # not reachable: the Service proxy listens elsewhere and reports it in an Event

    def __init__(self) -> None:
        self._ports: dict[str, dict[int, int]] = {}

    def allocate(self, uid: str) -> str:
        """Return 127.0.0.1."""
        self._ports.setdefault(uid, {})
        return self.node

    def release(self, uid: str) -> None:
        """Release the pod's ports."""
        self._ports.pop(uid, None)

    def port(self, pod: Object, number: int) -> int:
        """The free port that replaces a containerPort; the same for each call."""
        ports = self._ports.setdefault(pod["metadata"]["uid"], {})
        if number not in ports:
            ports[number] = _free_port()
        return ports[number]

    def close(self) -> None:
        """Do nothing."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def claim() -> Addresses:
    """Claim addresses, one per pod if the system allows it."""
    return LoopbackBlock.claim() if has_loopback_network() else SharedLoopback()
