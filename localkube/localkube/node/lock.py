"""A lock on the state directory: one cluster per directory."""

import fcntl
from pathlib import Path
from typing import Self


class DirectoryLock:
    """Context manager that locks a directory for this process. Raises RuntimeError if another process has the lock."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "lock"
        self._file = self._path.open("a")

    def __enter__(self) -> Self:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise RuntimeError(f"{self._path.parent} is in use by another local cluster") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
