"""The directory of a local cluster: the files that outlive a command, and the lock of the running cluster."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from agentctl.errors import CommandError

LOCK_ATTEMPTS = 10
LOCK_INTERVAL = 0.05
# Written to the lifeline of a supervisor: keep running after the process that started it has ended.
KEEP = b"keep\n"


@dataclass(frozen=True, slots=True)
class RunningCluster:
    """A cluster that is ready to use.

    Attributes:
        pid: the supervisor; when it ends, everything else ends.
        url: address of the API server.
        operator_pid: the operator; the supervisor restarts it if it ends.
        metrics: URL of the operator's metrics.
    """

    pid: int
    url: str
    operator_pid: int
    metrics: str


class ClusterDirectory:
    """The files of one cluster."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.kubeconfig = self.path / "kubeconfig"
        self.cluster_log = self.path / "cluster.log"
        self.operator_log = self.path / "operator.log"
        self._record = self.path / "running.json"
        self._lock = self.path / "lock"

    def create(self) -> None:
        """Create the directory, readable only by its owner, because the kubeconfig gives access to the cluster.

        Raises:
            CommandError: it cannot be created.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(f"{self.path}: {error.strerror}: choose another directory with --dir") from error

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the directory until this process ends. The end of the block removes the record and the kubeconfig.

        Only the kernel releases the lock, at the end of the process, also of a killed one. So when another process gets
        the lock, this process has ended.

        Raises:
            CommandError: another process has locked it.
        """
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        if not _try_lock(descriptor):
            os.close(descriptor)
            raise CommandError(f"{self.path}: a cluster is already running: stop it with agentctl local down")
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        try:
            yield
        finally:
            self._record.unlink(missing_ok=True)
            self.kubeconfig.unlink(missing_ok=True)

    def lock_owner(self) -> int | None:
        """Return the process that has locked the directory, also while its cluster starts; None if it is not locked."""
        try:
            with self._lock.open(encoding="ascii") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    return int(file.read() or 0) or None
        except FileNotFoundError:
            pass
        return None

    def running(self) -> RunningCluster | None:
        """Return the running cluster, if there is one. The record of a process that was killed is ignored."""
        owner = self.lock_owner()
        try:
            found = RunningCluster(**json.loads(self._record.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        return found if found.pid == owner else None

    def write_record(self, running: RunningCluster) -> None:
        """Record that the cluster is ready. The file is replaced at once, so no reader sees a part of it."""
        draft = self._record.with_suffix(".new")
        draft.write_text(json.dumps(asdict(running)), encoding="utf-8")
        draft.replace(self._record)


def _try_lock(descriptor: int) -> bool:
    """Lock a file exclusively. Retries, because `lock_owner` of another process locks it for a moment."""
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(LOCK_INTERVAL)
        else:
            return True
    return False


def last_line(log: Path) -> str:
    """Return the last line of a log that is not empty."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    messages = [line for line in lines if line.strip()]
    return messages[-1].removeprefix("error: ") if messages else "the log is empty"
