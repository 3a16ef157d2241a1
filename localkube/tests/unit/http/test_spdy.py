"""SPDY/3.1 framing, against a client's side made with zlib alone."""

import struct
import zlib

import pytest

from localkube.apiserver.http import spdy


def opened(stream: int, headers: dict[str, str], packer: "zlib._Compress") -> bytes:
    """A SYN_STREAM as a client sends it."""
    words = [word.encode() for pair in headers.items() for word in pair]
    plain = struct.pack(">I", len(headers)) + b"".join(struct.pack(">I", len(w)) + w for w in words)
    block = packer.compress(plain) + packer.flush(zlib.Z_SYNC_FLUSH)
    body = struct.pack(">IIH", stream, 0, 0) + block
    return struct.pack(">II", 0x80030001, len(body)) + body


def test_the_dictionary_is_the_one_of_the_protocol() -> None:
    """Its checksum is in the first bytes of every stream that anybody has compressed with it."""
    assert (len(spdy.DICTIONARY), zlib.adler32(spdy.DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_frames_come_in_pieces_and_headers_are_compressed_over_all_of_them() -> None:
    packer = zlib.compressobj(zdict=spdy.DICTIONARY)
    sent = opened(1, {"Streamtype": "error", "port": "80"}, packer) + opened(3, {"streamtype": "data"}, packer)
    sent += spdy.data(3, b"hello") + spdy.data(3, b"", last=True)
    session = spdy.Session()
    frames = [frame for at in range(len(sent)) for frame in session.receive(sent[at : at + 1])]
    assert [(f.kind, f.stream, f.is_last) for f in frames] == [
        (1, 1, False),
        (1, 3, False),
        (0, 3, False),
        (0, 3, True),
    ]
    assert frames[0].headers == {"streamtype": "error", "port": "80"}
    assert frames[1].headers == {"streamtype": "data"}
    assert frames[2].data == b"hello"


def test_a_reply_is_one_that_a_client_can_read() -> None:
    server, client = spdy.Session(), spdy.Session()
    for stream in (1, 3):
        (frame,) = client.receive(server.reply(stream))
        assert (frame.kind, frame.stream, frame.headers) == (spdy.SYN_REPLY, stream, {})


def test_a_ping_is_sent_back_as_it_came() -> None:
    ping = struct.pack(">III", 0x80030006, 4, 77)
    (frame,) = spdy.Session().receive(ping)
    assert spdy.pong(frame) == ping


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack(">II", 0x80020001, 0),
        struct.pack(">II", 0x80030001, 14) + b"\0" * 14,
        struct.pack(">II", 0x80030001, 11) + b"\0" * 10 + b"x",
    ],
    ids=["another version", "no compressed headers", "cut headers"],
)
def test_what_is_no_spdy_is_refused(sent: bytes) -> None:
    with pytest.raises(ValueError, match=r"SPDY|header block"):
        list(spdy.Session().receive(sent))
