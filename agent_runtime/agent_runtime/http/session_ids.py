"""The ids of sessions that callers choose, and the keys of the sessions in a store."""

import hashlib
import re
from typing import Annotated

from pydantic import AfterValidator, Field

MAX_BYTES = 256
# Text without control characters and line separators, such as an e-mail address or the id of a Teams chat.
PATTERN = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]+$"
_PRINTABLE = re.compile(PATTERN)
_SURROGATES = re.compile(r"[\ud800-\udfff]")
# These ids are their own keys, as in earlier versions, so that replicas of both versions find the same sessions.
_PLAIN = re.compile(r"[A-Za-z0-9._~-]{1,128}")


def is_valid(session_id: str) -> bool:
    """Return whether a caller may choose this id."""
    # Surrogates stand for bytes of a path that are not UTF-8.
    size = len(session_id.encode(errors="surrogatepass"))
    return size <= MAX_BYTES and _PRINTABLE.fullmatch(session_id) is not None and not _SURROGATES.search(session_id)


def key(caller: str, session_id: str) -> str:
    """Return the key of a session in a store. Each caller has its own sessions.

    Args:
        caller: name of the caller, without a colon; "" if the agent does not identify callers.
        session_id: a valid id.
    """
    # No plain id contains a #, so an id that is hashed never has the key of another one.
    name = session_id if _PLAIN.fullmatch(session_id) else f"#{hashlib.sha256(session_id.encode()).hexdigest()}"
    return f"{caller}:{name}" if caller else name


def _check(session_id: str) -> str:
    if not is_valid(session_id):
        raise ValueError(f"must be 1 to {MAX_BYTES} bytes of text without control characters: use another id")
    return session_id


SessionId = Annotated[
    str, AfterValidator(_check), Field(json_schema_extra={"pattern": PATTERN, "minLength": 1, "maxLength": MAX_BYTES})
]
