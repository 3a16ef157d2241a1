"""Where a cluster for trying out keeps what outlives a command, and whether it runs."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from agentctl.errors import CommandError

LOOKS = 10
# Sent on the lifeline of the cluster: the cluster outlives the process that started it.
KEEP = b"keep\n"


@dataclass(frozen=True, slots=True)
class Running:
    """A cluster that runs: written when all of it is up.

    Attributes:
        pid: the process that ends the rest when it ends.
        url: of the API server.
        operator_pid: the operator, which may be started anew.
        metrics: URL of the operator's metrics.
    """

    pid: int
    url: str
    operator_pid: int
    metrics: str


class State:
    """The files of one cluster, all in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.kubeconfig = self.directory / "kubeconfig"
        self.cluster_log = self.directory / "cluster.log"
        self.operator_log = self.directory / "operator.log"
        self._record = self.directory / "running.json"
        self._lock = self.directory / "lock"

    def create(self) -> None:
        """Make the directory.

        Raises:
            CommandError: it cannot be made.
        """
        try:
            # The kubeconfig in it is a key to the cluster.
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(f"{self.directory}: {error.strerror}: name another with --dir") from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the directory for the rest of this process; what says that a cluster is up goes when the block ends.

        The system alone lets go of the lock: who waits for it waits for the process to be gone, however it ends.

        Raises:
            CommandError: another process holds it.
        """
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        if not _locked(descriptor):
            os.close(descriptor)
            raise CommandError(f"{self.directory}: a cluster runs there: agentctl local down ends it")
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        try:
            yield
        finally:
            self._record.unlink(missing_ok=True)
            self.kubeconfig.unlink(missing_ok=True)

    def holder(self) -> int | None:
        """Process that holds the directory, be it up or still coming up; None when nobody does."""
        try:
            with self._lock.open(encoding="ascii") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    return int(file.read() or 0) or None
        except FileNotFoundError:
            pass
        return None

    def running(self) -> Running | None:
        """Return the cluster that is up here, if one is: a record that a dead process left does not count."""
        holder = self.holder()
        try:
            found = Running(**json.loads(self._record.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        return found if found.pid == holder else None

    def record(self, running: Running) -> None:
        """Say that all is up. Whoever reads sees all of it or nothing."""
        draft = self._record.with_suffix(".new")
        draft.write_text(json.dumps(asdict(running)), encoding="utf-8")
        draft.replace(self._record)


def _locked(descriptor: int) -> bool:
    """Lock a file; who only looks for its holder is gone in a moment."""
    for _ in range(LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def last_line(log: Path) -> str:
    """Return the last thing that a log says."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    said = [line for line in lines if line.strip()]
    return said[-1].removeprefix("error: ") if said else "it said nothing"
