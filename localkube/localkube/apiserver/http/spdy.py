"""SPDY/3.1 framing, as much as a Kubernetes client speaks of it. Pure: bytes in, frames out."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
FIN = 0x01
LONGEST_DATA = 32 * 1024  # bytes in a frame that we send
_CONTROL = 0x80000000
_VERSION = 3
_HEAD = struct.Struct(">II")
_NUMBER = struct.Struct(">I")
_STREAM = 0x7FFFFFFF
_SYN_STREAM_FIELDS = 10  # bytes before the headers: stream, associated stream, priority, slot

# The words that both sides know of beforehand (SPDY/3, 2.6.10.1): each after its length, then a tail.
_WORDS = """
options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow
authorization cache-control connection content-base content-encoding content-language content-length content-location
content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match
if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range
referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get
status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin
"""
_TAIL = (
    b"100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    b"203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    b"403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    b"Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    b"chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    b"text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _dictionary() -> bytes:
    words = [word.replace("_", " ").encode() for word in _WORDS.split()]
    return b"".join(_NUMBER.pack(len(word)) + word for word in words) + _TAIL


DICTIONARY = _dictionary()


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `kind` 0 is data; `headers` are those of a SYN_STREAM or SYN_REPLY; `data` is the rest as it came."""

    kind: int
    stream: int = 0
    flags: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""

    @property
    def is_last(self) -> bool:
        """Whether nothing more comes on the stream from this side."""
        return bool(self.flags & FIN)


class Session:
    """Both directions of one connection: header compression goes on from frame to frame."""

    def __init__(self) -> None:
        self._rest = b""
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def receive(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with these bytes; ValueError for what is not SPDY/3."""
        self._rest += data
        while len(self._rest) >= _HEAD.size:
            first, second = _HEAD.unpack_from(self._rest)
            end = _HEAD.size + (second & 0xFFFFFF)
            if len(self._rest) < end:
                return
            body, self._rest = self._rest[_HEAD.size : end], self._rest[end:]
            yield self._frame(first, second >> 24, body)

    def _frame(self, first: int, flags: int, body: bytes) -> Frame:
        if not first & _CONTROL:
            return Frame(0, first & _STREAM, flags, data=body)
        if (first >> 16) & 0x7FFF != _VERSION:
            raise ValueError("not a frame of SPDY/3")
        kind = first & 0xFFFF
        stream = _NUMBER.unpack_from(body)[0] & _STREAM if len(body) >= _NUMBER.size else 0
        headers = {}
        if kind in (SYN_STREAM, SYN_REPLY):
            headers = self._headers(body[_SYN_STREAM_FIELDS if kind == SYN_STREAM else _NUMBER.size :])
        return Frame(kind, stream, flags, headers, body)

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflate.decompress(block)
            words = list(_words(plain))
        except (zlib.error, struct.error) as error:
            raise ValueError(f"a header block that cannot be read: {error}") from error
        return {k.decode().lower(): v.decode() for k, v in zip(words[::2], words[1::2], strict=True)}

    def reply(self, stream: int) -> bytes:
        """A SYN_REPLY without headers: the stream is accepted."""
        block = self._deflate.compress(_NUMBER.pack(0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _control(SYN_REPLY, _NUMBER.pack(stream) + block)


def _words(plain: bytes) -> Iterator[bytes]:
    """The names and values of a header block, in turn."""
    (count,) = _NUMBER.unpack_from(plain)
    at = _NUMBER.size
    for _ in range(count * 2):
        (length,) = _NUMBER.unpack_from(plain, at)
        at += _NUMBER.size
        yield plain[at : at + length]
        at += length


def _control(kind: int, body: bytes) -> bytes:
    return _HEAD.pack(_CONTROL | _VERSION << 16 | kind, len(body)) + body


def data(stream: int, content: bytes, *, last: bool = False) -> bytes:
    """A data frame."""
    return _HEAD.pack(stream, (FIN if last else 0) << 24 | len(content)) + content


def reset(stream: int) -> bytes:
    """A RST_STREAM: the stream is cancelled."""
    cancel = 5
    return _control(RST_STREAM, _NUMBER.pack(stream) + _NUMBER.pack(cancel))


def pong(ping: Frame) -> bytes:
    """The answer to a PING."""
    return _control(PING, ping.data)
