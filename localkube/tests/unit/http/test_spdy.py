"""The frames of SPDY/3.1 in the WebSocket of a forwarded port."""

import struct
import zlib
from collections.abc import Mapping

import pytest

from localkube.apiserver.http import spdy

# The checksum of the dictionary in the specification, with which each compressed header block begins.
DICTIONARY_CHECKSUM = 0xE3C6A7C2


def opening(stream: int, headers: Mapping[str, str]) -> bytes:
    """Return the frame that opens a stream."""
    texts = [text.encode() for pair in headers.items() for text in pair]
    block = struct.pack("!I", len(headers)) + b"".join(struct.pack("!I", len(text)) + text for text in texts)
    compressor = zlib.compressobj(zdict=spdy._DICTIONARY)
    payload = struct.pack("!IIH", stream, 0, 0) + compressor.compress(block) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return struct.pack("!IBBH", 0x80030001, 0, 0, len(payload)) + payload


def test_the_dictionary_is_that_of_the_specification() -> None:
    assert zlib.adler32(spdy._DICTIONARY) == DICTIONARY_CHECKSUM


def test_frames_are_decoded_from_any_pieces() -> None:
    headers = {"streamtype": "data", "port": "8000", "requestid": "0"}
    ping = struct.pack("!IBBHI", 0x80030006, 0, 0, 4, 7)
    reset = struct.pack("!IBBHII", 0x80030003, 0, 0, 8, 3, 1)
    unknown = struct.pack("!IBBH", 0x80030004, 0, 0, 0)
    data = struct.pack("!IBBH", 3, 1, 0, 2) + b"hi"
    decoder = spdy.Decoder()

    frames = [
        frame for byte in opening(3, headers) + ping + unknown + data + reset for frame in decoder.feed(bytes([byte]))
    ]

    assert frames == [
        spdy.Opened(3, headers),
        spdy.Ping(struct.pack("!I", 7)),
        spdy.Data(3, b"hi", ends=True),
        spdy.Reset(3),
    ]


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("!IBBH", 3, 0, 0xFF, 0xFFFF),
        struct.pack("!IBBH", 0x80020001, 0, 0, 0),
        struct.pack("!IBBH", 0x80030003, 0, 0, 0),
        struct.pack("!IBBH", 0x80030001, 0, 0, 20) + b"\x00" * 20,
    ],
    ids=["too long", "another version", "no stream", "not compressed"],
)
def test_other_bytes_are_an_error(data: bytes) -> None:
    with pytest.raises(spdy.SpdyError):
        list(spdy.Decoder().feed(data))


def test_a_reply_and_the_end_of_a_stream_are_encoded() -> None:
    encoder = spdy.Encoder()

    reply = encoder.reply(3)

    assert struct.unpack_from("!IBBHI", reply) == (0x80030002, 0, 0, len(reply) - 8, 3)
    assert zlib.decompressobj(zdict=spdy._DICTIONARY).decompress(reply[12:]) == bytes(4)
    assert encoder.data(3, b"", ends=True) == struct.pack("!IBBH", 3, 1, 0, 0)
