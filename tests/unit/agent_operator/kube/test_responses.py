"""The lines of a stream are bounded, however the stream is split into chunks."""

import random

import pytest

from agent_operator.kube.responses import LineReader

STREAM = b"short\n" + b"x" * 100 + b"\n\n" + b"y" * 20 + b"\n" + b"a" * 21 + b"\nlast\nrest"
LINES = [(b"short", False), (b"x" * 8, True), (b"y" * 20, False), (b"a" * 8, True), (b"last", False)]


@pytest.mark.parametrize("seed", range(20))
def test_long_line_is_skipped_to_its_end(seed: int) -> None:
    source, reader, at = random.Random(seed), LineReader(longest=20, kept=8), 0
    found: list[tuple[bytes, bool]] = []
    while at < len(STREAM):
        size = source.randint(1, 40)
        found += reader.feed(STREAM[at : at + size])
        at += size
    assert found == LINES


def test_line_without_an_end_takes_no_memory() -> None:
    reader = LineReader(longest=1 << 10, kept=16)
    for _ in range(1_000):
        assert not list(reader.feed(b"x" * 1_000))
    assert list(reader.feed(b"\n")) == [(b"x" * 16, True)]
