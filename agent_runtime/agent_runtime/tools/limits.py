"""Limits on what an MCP server may send. A server may send endless data, or small data that is large in memory."""

import time

# A result may contain its text twice: as text and as structured content.
MAX_MESSAGE_BYTES = 12 * 1024 * 1024
# Values of a message. The memory of a parsed message depends on their number more than on its length.
MAX_VALUES = 200_000
# Requests and notifications of the server in one response.
MAX_REQUESTS = 1_000


class TooMuchDataError(Exception):
    """A server exceeds a limit."""


class Meter:
    """Counts what arrives in one message or response."""

    def __init__(self) -> None:
        self._bytes = self._values = self._requests = 0

    def count(self, data: bytes) -> None:
        """Count data.

        Raises:
            TooMuchDataError: a limit is exceeded.
        """
        self._bytes += len(data)
        self._values += data.count(b",") + data.count(b"[") + data.count(b"{")
        self._requests += data.count(b'"method"')
        if self._bytes > MAX_MESSAGE_BYTES:
            raise TooMuchDataError(f"sent more than {MAX_MESSAGE_BYTES} bytes")
        if self._values > MAX_VALUES:
            raise TooMuchDataError(f"sent more than {MAX_VALUES} values")
        if self._requests > MAX_REQUESTS:
            raise TooMuchDataError(f"sent more than {MAX_REQUESTS} requests")


class StreamMeter:
    """Counts what arrives in a stream of events that does not end: per event, and per second."""

    def __init__(self) -> None:
        self._second = 0
        self._of_second = self._of_event = Meter()

    def count(self, data: bytes) -> None:
        """Count data.

        Raises:
            TooMuchDataError: an event, or what arrived within a second, exceeds a limit.
        """
        if (second := int(time.monotonic())) != self._second:
            self._second, self._of_second = second, Meter()
        self._of_second.count(data)
        # An event ends with an empty line.
        end = max(data.rfind(b"\n\n"), data.rfind(b"\r\n\r\n"), data.rfind(b"\r\r"))
        if end >= 0:
            self._of_event, data = Meter(), data[end:]
        self._of_event.count(data)
