"""Certificate authorities that only one model trusts."""

import ssl
from pathlib import Path

from agent_runtime.health import UnhealthyError


class PrivateTrust:
    """A TLS context with the authorities of a file in addition to the usual ones. It follows changes of the file."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._modified = 0
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context, which is new after a change of the file.

        Raises:
            UnhealthyError: the file cannot be read, or contains no certificates.
        """
        try:
            modified = self._path.stat().st_mtime_ns
            if self._context is None or modified != self._modified:
                context = ssl.create_default_context()
                context.load_verify_locations(self._path)
                self._context, self._modified = context, modified
        except OSError as error:
            # ssl.SSLError is an OSError, too.
            reason = "contains no valid certificates" if isinstance(error, ssl.SSLError) else f"{error.strerror}"
            raise UnhealthyError(f"tls.caFile: {self._path}: {reason}: correct it", "NotConfigured") from None
        return self._context
