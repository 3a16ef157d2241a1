"""The public keys of an issuer of tokens (JWKS, RFC 7517), which change over time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import jwt

from agent_runtime import untrusted_json
from agent_runtime.health import UnhealthyError

MAX_KEYS = 100
# Seconds between regular fetches, and the shortest time between two fetches, whatever tokens arrive.
REFRESH = 300.0
MIN_INTERVAL = 5.0
_TYPES = ("RSA", "EC", "OKP")
_RSA_BITS = range(2048, 8193)

log = logging.getLogger(__name__)


class KeySetError(Exception):
    """The keys cannot be fetched. The message gives the cause and contains no secret.

    Attributes:
        reason: the kind of the cause in PascalCase.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class KeySet:
    """The keys of an issuer, and the component of /health that reports whether they can be fetched.

    The last known keys stay valid while they cannot.
    """

    name = "jwks"

    def __init__(self, fetch: Callable[[], Awaitable[bytes]], clock: Callable[[], float] = time.monotonic) -> None:
        """Create an empty set.

        Args:
            fetch: returns the JSON of the keys. Raises KeySetError.
            clock: seconds.
        """
        self._fetch = fetch
        self._clock = clock
        self._keys: Sequence[jwt.PyJWK] = ()
        self._attempted = float("-inf")
        self._error: KeySetError | None = None
        self._fetching = asyncio.Lock()

    @property
    def is_loaded(self) -> bool:
        """Whether any keys are known."""
        return bool(self._keys)

    async def find(self, key_id: str | None, algorithm: str) -> list[jwt.PyJWK]:
        """Return the keys that may have signed a token: one, or all of its algorithm if it names none.

        If there is none, the issuer may have new keys. They are fetched at most once per MIN_INTERVAL.
        """
        found = self._matching(key_id, algorithm)
        if not found:
            await self._refresh(MIN_INTERVAL)
            found = self._matching(key_id, algorithm)
        return found

    async def probe(self) -> dict[str, Any]:
        """Fetch the keys if they are old; see Component."""
        await self._refresh(MIN_INTERVAL if self._error is not None or not self._keys else REFRESH)
        if self._error is not None:
            raise UnhealthyError(str(self._error), self._error.reason)
        return {"keys": len(self._keys)}

    async def _refresh(self, interval: float) -> None:
        """Fetch the keys unless that was tried within the interval. Concurrent calls share one fetch."""
        async with self._fetching:
            if self._clock() - self._attempted < interval:
                return
            self._attempted = self._clock()
            try:
                keys = parsed(await self._fetch())
            except KeySetError as error:
                log.warning("keys of callers' tokens cannot be fetched", extra={"fields": {"reason": str(error)}})
                self._error = error
                return
            self._keys, self._error = keys, None

    def _matching(self, key_id: str | None, algorithm: str) -> list[jwt.PyJWK]:
        return [key for key in self._keys if (key_id is None or key.key_id == key_id) and algorithm in _algorithms(key)]


def parsed(document: bytes) -> list[jwt.PyJWK]:
    """Return the public keys for signatures in a document. Others are left out.

    Raises:
        KeySetError: there is none.
    """
    try:
        fields = untrusted_json.loads(document)
    except untrusted_json.InvalidJsonError:
        fields = None
    entries = fields.get("keys") if isinstance(fields, Mapping) else None
    if not isinstance(entries, list):
        raise KeySetError("the issuer sent no set of keys: check the URL", "InvalidKeys")
    keys = [key for entry in entries[:MAX_KEYS] if (key := _key(entry)) is not None]
    if not keys:
        raise KeySetError("the issuer sent no public key for signatures: check the URL", "InvalidKeys")
    return keys


def _key(entry: Any) -> jwt.PyJWK | None:
    if not isinstance(entry, dict) or entry.get("kty") not in _TYPES or entry.get("use", "sig") != "sig":
        return None
    # Without the private part, which no issuer should publish.
    public = {name: value for name, value in entry.items() if name not in {"d", "p", "q", "dp", "dq", "qi", "oth"}}
    try:
        key = jwt.PyJWK(public)
        size = key.key.key_size if public["kty"] == "RSA" else _RSA_BITS.start
    except Exception:  # noqa: BLE001  (cryptography raises many kinds for a malformed key)
        return None
    return key if size in _RSA_BITS else None


def _algorithms(key: jwt.PyJWK) -> tuple[str, ...]:
    """Return the algorithms with which a key may sign. An RSA key without one may use all of RSA."""
    if key.key_type == "RSA" and not key._jwk_data.get("alg"):  # noqa: SLF001  (there is no other access)
        return tuple(f"{family}{bits}" for family in ("RS", "PS") for bits in (256, 384, 512))
    return (key.algorithm_name,)
