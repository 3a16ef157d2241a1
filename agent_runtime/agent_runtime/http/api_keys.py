"""API keys of callers."""

import hashlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

from agent_runtime.errors import Problem

# Seconds between checks whether the file of keys has changed.
RELOAD_INTERVAL = 1.0

log = logging.getLogger(__name__)


class ApiKeys:
    """The API keys of a file with one key per line. Reads the file again when it changes."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._last_checked = float("-inf")
        self._file_version: tuple[int, int, int] | None = None
        self._digests: frozenset[bytes] = frozenset()

    def caller(self, authorization: str) -> str:
        """Return the name of the caller that sends this Authorization header. The name does not reveal the key.

        Raises:
            Problem: the header contains none of the keys.
        """
        name = self.find(authorization)
        if name is None:
            detail = "Authorization: no valid API key: send one of the agent's keys as a bearer token"
            raise Problem(401, "invalid_api_key", detail)
        return name

    def find(self, authorization: str) -> str | None:
        """Return the name of the caller like caller(), or None if the header contains none of the keys."""
        self._reload()
        scheme, _, key = authorization.partition(" ")
        # Compare digests, because the duration of comparing keys would reveal how much of a key matches.
        # aiohttp decodes bytes of a header that are not UTF-8 as surrogates.
        digest = hashlib.sha256(key.strip().encode(errors="surrogateescape")).digest()
        return digest.hex()[:16] if scheme.lower() == "bearer" and digest in self._digests else None

    def _reload(self) -> None:
        if self._clock() - self._last_checked < RELOAD_INTERVAL:
            return
        self._last_checked = self._clock()
        try:
            status = self._path.stat()
            file_version = (status.st_mtime_ns, status.st_ino, status.st_size)
            if file_version == self._file_version:
                return
            lines = self._path.read_bytes().splitlines()
        except OSError as error:
            # Keep the last known keys: while the kubelet replaces a Secret, callers must stay admitted.
            log.warning("API keys cannot be read", extra={"fields": {"reason": error.strerror}})
            return
        self._file_version = file_version
        self._digests = frozenset(hashlib.sha256(line.strip()).digest() for line in lines if line.strip())
        log.info("API keys read", extra={"fields": {"keys": len(self._digests)}})
