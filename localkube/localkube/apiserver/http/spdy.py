"""The frames of SPDY/3.1 that `kubectl port-forward` uses, as bytes and as values."""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

_VERSION = 0x8003
_FIN = 1
_HEAD = struct.Struct("!IBBH")
_WORD = struct.Struct("!I")
_SYN_STREAM_FIELDS = 10
# kubectl sends data in frames of 32 KiB.
MAX_FRAME = 1024 * 1024
_MAX_HEADERS = 64 * 1024


class FrameType(IntEnum):
    """The control frames that are read or written; others are ignored."""

    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    PING = 6


class SpdyError(Exception):
    """The bytes are not SPDY/3.1."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The client opens a stream."""

    stream: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Data:
    """Data of a stream. `ends`: the client sends no more of it."""

    stream: int
    data: bytes
    ends: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """The client discards a stream."""

    stream: int


@dataclass(frozen=True, slots=True)
class Ping:
    """The client wants to see the same bytes again."""

    payload: bytes


Frame = Opened | Data | Reset | Ping


class Decoder:
    """Decodes the bytes of a client."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._headers = zlib.decompressobj(zdict=_DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Add bytes and yield the frames that are complete. Raises SpdyError."""
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            word, flags, high, low = _HEAD.unpack_from(self._buffer)
            length = high << 16 | low
            if length > MAX_FRAME:
                raise SpdyError(f"a frame of {length} bytes")
            if len(self._buffer) < _HEAD.size + length:
                return
            payload = bytes(self._buffer[_HEAD.size : _HEAD.size + length])
            del self._buffer[: _HEAD.size + length]
            if word >> 31:
                yield from self._control(word, flags, payload)
            else:
                yield Data(word, payload, bool(flags & _FIN))

    def _control(self, word: int, flags: int, payload: bytes) -> Iterator[Frame]:
        if word >> 16 != _VERSION:
            raise SpdyError(f"version {word >> 16 & 0x7FFF}")
        kind = word & 0xFFFF
        if kind == FrameType.PING:
            yield Ping(payload)
        elif kind == FrameType.RST_STREAM:
            yield Reset(_stream(payload))
        elif kind == FrameType.SYN_STREAM:
            stream = _stream(payload)
            yield Opened(stream, self._decode_headers(payload[_SYN_STREAM_FIELDS:]))
            if flags & _FIN:
                yield Data(stream, b"", ends=True)

    def _decode_headers(self, block: bytes) -> Mapping[str, str]:
        try:
            text = self._headers.decompress(block, _MAX_HEADERS)
        except zlib.error as error:
            raise SpdyError(str(error)) from error
        words = _texts(text)
        return dict(zip(words, words, strict=False))


class Encoder:
    """Encodes frames for a client."""

    def __init__(self) -> None:
        self._headers = zlib.compressobj(zdict=_DICTIONARY)

    def reply(self, stream: int) -> bytes:
        """Accept a stream, without headers."""
        block = self._headers.compress(_WORD.pack(0)) + self._headers.flush(zlib.Z_SYNC_FLUSH)
        return _control(FrameType.SYN_REPLY, _WORD.pack(stream) + block)

    def data(self, stream: int, data: bytes, *, ends: bool = False) -> bytes:
        """Send data, or end the stream."""
        return _head(stream, _FIN if ends else 0, len(data)) + data

    def ping(self, payload: bytes) -> bytes:
        """Answer a ping."""
        return _control(FrameType.PING, payload)


def _control(kind: FrameType, payload: bytes) -> bytes:
    return _head(_VERSION << 16 | kind, 0, len(payload)) + payload


def _head(word: int, flags: int, length: int) -> bytes:
    return _HEAD.pack(word, flags, length >> 16, length & 0xFFFF)


def _stream(payload: bytes) -> int:
    if len(payload) < _WORD.size:
        raise SpdyError("a frame without a stream")
    return int(_WORD.unpack_from(payload)[0]) & 0x7FFFFFFF


def _texts(block: bytes) -> Iterator[str]:
    """Yield the names and values of a header block, in turns."""
    offset = _WORD.size
    while offset + _WORD.size <= len(block):
        (length,) = _WORD.unpack_from(block, offset)
        offset += _WORD.size
        yield block[offset : offset + length].decode("latin-1")
        offset += length


# The texts from which the SPDY protocol composes the dictionary of its header compression, each after its length.
_NAMES = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status"
)
_HEADERS = [*_NAMES.split(" "), "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"]
# And the text at its end, without a length.
_VALUES = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
_DICTIONARY = b"".join(_WORD.pack(len(name)) + name.encode() for name in _HEADERS) + _VALUES.encode()
