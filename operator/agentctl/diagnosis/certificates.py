"""Reads the end of validity and the DNS names of an X.509 certificate, which anyone may have written. Pure.

Only agentctl needs this, of the public part of one certificate. A library for it would have no other user here.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from agentctl.diagnosis.evidence import Certificate

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]{1,65536})-----END CERTIFICATE-----")
_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _OBJECT_ID, _OCTETS = 0x30, 0x17, 0x18, 0x06, 0x04
_VERSION, _EXTENSIONS, _DNS_NAME = 0xA0, 0xA3, 0x82
_SUBJECT_ALTERNATIVE_NAME = bytes((0x55, 0x1D, 0x11))
_MOST_ITEMS = 256
# Position of the validity in the content of a certificate, after its optional version.
_VALIDITY = 3
_FORMATS = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}


def parse(pem: str) -> Certificate | None:
    """Return the first certificate of a PEM file; None if it is unreadable."""
    found = _PEM.search(pem[:262144])
    if found is None:
        return None
    try:
        return _certificate(base64.b64decode("".join(found[1].split()), validate=True))
    except (ValueError, LookupError, binascii.Error):
        return None


def _certificate(der: bytes) -> Certificate:
    [outer] = _items(der)
    content = [item for item in _items(_items_of(outer)[0][1]) if item[0] != _VERSION]
    ends = _items(content[_VALIDITY][1])
    kind, value = ends[1]
    expires = datetime.strptime(value.decode("ascii"), _FORMATS[kind]).replace(tzinfo=UTC)
    names = [name for tag, body in content if tag == _EXTENSIONS for name in _names(body)]
    return Certificate(expires, tuple(names))


def _names(extensions: bytes) -> Iterator[str]:
    for _, extension in _items(_items(extensions)[0][1]):
        parts = _items(extension)
        if parts[0] == (_OBJECT_ID, _SUBJECT_ALTERNATIVE_NAME):
            value = next((body for tag, body in parts if tag == _OCTETS), b"")
            for tag, name in _items(_items(value)[0][1]):
                if tag == _DNS_NAME:
                    yield name.decode("ascii")


def _items_of(item: tuple[int, bytes]) -> list[tuple[int, bytes]]:
    tag, body = item
    if tag != _SEQUENCE:
        raise ValueError("not a sequence")
    return _items(body)


def _items(data: bytes) -> list[tuple[int, bytes]]:
    """Split DER into tags and bodies. Raises ValueError or IndexError if it is malformed."""
    found: list[tuple[int, bytes]] = []
    position = 0
    while position < len(data):
        tag, length, position = data[position], data[position + 1], position + 2
        if length & 0x80:
            count = length & 0x7F
            length, position = int.from_bytes(data[position : position + count]), position + count
        if position + length > len(data) or len(found) == _MOST_ITEMS:
            raise ValueError("malformed")
        found.append((tag, data[position : position + length]))
        position += length
    return found
