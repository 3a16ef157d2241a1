"""Redis with Sentinels, and a Redis Cluster: processes of Debian's redis-server."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis.crc import key_slot

from tests.integration.agent_runtime.processes import RedisServer
from tests.patience import free_port
from tests.polling import eventually

NODE_TIMEOUT = 500


class Sentinels:
    """A primary, a replica, and one Sentinel that fails over after 0.3 s."""

    def __init__(self, directory: Path) -> None:
        # A replica writes what it receives to dump.rdb.
        folders = [directory / "first", directory / "second"]
        for folder in folders:
            folder.mkdir()
        self.servers = [RedisServer("--repl-diskless-sync-delay", "0", "--dir", str(folders[0]))]
        primary = ("--replicaof", "127.0.0.1", str(self.servers[0].port))
        self.servers.append(RedisServer(*primary, "--dir", str(folders[1])))
        self.port = free_port()
        lines = (
            f"port {self.port}",
            "bind 127.0.0.1",
            f"sentinel monitor mymaster 127.0.0.1 {self.servers[0].port} 1",
            "sentinel down-after-milliseconds mymaster 300",
            "sentinel failover-timeout mymaster 3000",
        )
        config = directory / "sentinel.conf"
        config.write_text("\n".join(lines) + "\n")
        program = shutil.which("redis-server")
        assert program, "redis-server is missing: apt-get install redis-server"
        command = [program, str(config), "--sentinel", "--set-proc-title", "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        eventually("the replica is known", lambda: b"num-other-sentinels" in self.state() and self._has_replica())

    def state(self) -> bytes:
        """Return what the Sentinel knows of the primary."""
        try:
            return command(self.port, "SENTINEL", "MASTER", "mymaster")
        except OSError:
            return b""

    def primary(self) -> RedisServer:
        """Return the server that the Sentinel names."""
        reply = command(self.port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")
        return next(server for server in self.servers if str(server.port).encode() in reply)

    def fail_over(self) -> None:
        """Promote the replica. The old primary becomes a replica."""
        eventually("failover", lambda: b"+OK" in command(self.port, "SENTINEL", "FAILOVER", "mymaster"))

    def stop(self) -> None:
        """Kill all processes."""
        self.process.kill()
        self.process.wait()
        for server in self.servers:
            server.stop()

    def _has_replica(self) -> bool:
        online = b"state=online" in self.servers[0].command("INFO", "replication")
        return online and b"slave" in command(self.port, "SENTINEL", "REPLICAS", "mymaster")


def command(port: int, *words: str) -> bytes:
    """Send a command to a port; return the raw response."""
    server = RedisServer.__new__(RedisServer)
    server.port = port
    return server.command(*words)


class RedisCluster:
    """Three primaries, and a replica of the first."""

    def __init__(self, directory: Path) -> None:
        self.servers = []
        for number in range(4):
            folder = directory / f"node{number}"
            folder.mkdir()
            options = ("--cluster-enabled", "yes", "--dir", str(folder), "--cluster-node-timeout", str(NODE_TIMEOUT))
            # The port of the bus is 10,000 above by default, which may be too high.
            bus = ("--cluster-port", str(free_port()), "--repl-diskless-sync-delay", "0")
            self.servers.append(RedisServer(*options, *bus, "--cluster-replica-validity-factor", "0"))
            self.servers[number].bus = int(bus[1])  # type: ignore[attr-defined]
        for number, (first, last) in enumerate(((0, 5460), (5461, 10922), (10923, 16383))):
            self.servers[number].command("CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
            self.servers[number].command("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for server in self.servers[1:]:
            bus_port = str(server.bus)  # type: ignore[attr-defined]
            self.servers[0].command("CLUSTER", "MEET", "127.0.0.1", str(server.port), bus_port)
        eventually("all nodes are known", lambda: all(self._knows_all(server) for server in self.servers))
        identifier = self.node_id(0)
        self.servers[3].command("CLUSTER", "REPLICATE", identifier)
        eventually("the cluster is ready", lambda: all(self._is_ready(server) for server in self.servers))

    def node_id(self, number: int) -> str:
        """Return the id of a node."""
        return self.servers[number].command("CLUSTER", "MYID").split(b"\r\n")[1].decode()

    def server_of(self, key: str) -> RedisServer:
        """Return the server that had the slot of a key at the start."""
        return self.servers[min(key_slot(key.encode()) // 5461, 2)]

    def stop(self) -> None:
        """Kill all processes."""
        for server in self.servers:
            server.stop()

    def _knows_all(self, server: RedisServer) -> bool:
        return b"cluster_known_nodes:4" in server.command("CLUSTER", "INFO")

    def _is_ready(self, server: RedisServer) -> bool:
        has_replica = b"state=online" in self.servers[0].command("INFO", "replication")
        return has_replica and b"cluster_state:ok" in server.command("CLUSTER", "INFO")


@contextmanager
def stopped(topology: Sentinels | RedisCluster) -> Iterator[None]:
    """Stop a topology at the end of the block."""
    try:
        yield
    finally:
        topology.stop()
