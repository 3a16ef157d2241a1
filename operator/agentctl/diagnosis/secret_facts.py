"""What can be said of a Secret without its values. Pure."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from agent_operator.kube.shapes import mapping, mappings, text
from agentctl.diagnosis import certificates
from agentctl.diagnosis.evidence import SecretFacts, parse_time

_MOST_KEYS = 256
_LONGEST_KEY = 253
_LONGEST_VALUE = 65_536
# Shorter values may be the base64 of a text by chance.
_SHORTEST_ENCODED = 12
_TEXT = re.compile(rb"[\x20-\x7e]+")
_QUOTES = ("'", '"')
# Values that are no single line by nature.
_FILES = ("tls.", "ca.crt", ".dockerconfigjson", ".dockercfg")


def facts_of(secret: Mapping[str, Any]) -> SecretFacts:
    """Return the facts about a Secret."""
    values = dict(values_of(secret))
    faults = {key: "" if key.startswith(_FILES) else _fault(value) for key, value in values.items()}
    certificate = (
        certificates.parse(values["tls.crt"].decode("ascii", errors="replace")) if "tls.crt" in values else None
    )
    return SecretFacts(text(secret.get("type")) or "Opaque", faults, _changed(secret), certificate)


def values_of(secret: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield the keys and the values of a Secret."""
    for key, value in list(mapping(secret.get("data")).items())[:_MOST_KEYS]:
        if not isinstance(key, str) or len(key) > _LONGEST_KEY:
            continue
        try:
            yield key, base64.b64decode(text(value)[: 2 * _LONGEST_VALUE], validate=True)
        except (binascii.Error, ValueError):
            yield key, b""


def _fault(value: bytes) -> str:
    """Return what is wrong with a value that is used as a password or a key; empty if nothing is."""
    if not value.strip():
        return "empty"
    if value.rstrip(b"\r\n") != value:
        # A file of several lines, such as a list of keys, ends with a newline rightly.
        return "newline" if b"\n" not in value.rstrip(b"\r\n") else ""
    line = value.decode("utf-8", errors="replace")
    if line.strip() != line:
        return "spaces"
    if len(line) > 1 and line[0] in _QUOTES and line[-1] == line[0]:
        return "quotes"
    if any(ord(character) < ord(" ") and character not in "\r\n\t" for character in line):
        return "control"
    return "base64" if _is_encoded(value) else ""


def _is_encoded(value: bytes) -> bool:
    """Return whether a value is the base64 of a printable text. Random keys practically never are."""
    if len(value) < _SHORTEST_ENCODED or len(value) % 4 or len(value) > _LONGEST_VALUE:
        return False
    try:
        decoded = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return _TEXT.fullmatch(decoded.rstrip(b"\r\n")) is not None


def _changed(secret: Mapping[str, Any]) -> datetime | None:
    """Return when the data changed last."""
    meta = mapping(secret.get("metadata"))
    entries = [it for it in mappings(meta.get("managedFields")) if "f:data" in mapping(it.get("fieldsV1"))]
    times = [parse_time(entry.get("time")) for entry in entries]
    return max((time for time in times if time is not None), default=parse_time(meta.get("creationTimestamp")))
