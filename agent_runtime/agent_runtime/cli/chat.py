"""`agent-runtime chat`: chat with a running agent, from a terminal or with the lines of a pipe."""

import json
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Protocol
from urllib.parse import urlsplit

from agent_runtime.config.terminal import printable

DEFAULT_URL = "http://127.0.0.1:8000"
KEY_VARIABLE = "AGENT_API_KEY"
# Seconds: the default request_timeout_seconds of an agent.
TIMEOUT = 300.0
PROMPT = "you> "
HELP = "Ctrl-C stops an answer. /new starts a new conversation, /quit or Ctrl-D ends the chat.\n"
QUIT, NEW = ("/quit", "/exit"), "/new"
INTERRUPTED = 130
# Finish reasons of whole answers. An agent of an older version sends none.
_WHOLE = frozenset({None, "stop", "tool_calls", "function_call"})


class ChatError(Exception):
    """The answer is missing or incomplete. The message is for people."""


class Conversation(Protocol):
    """What a chat in a terminal needs: messages with streamed answers."""

    session: str | None
    finish_reason: str | None

    def ask(self, message: str) -> Generator[str, None, None]:
        """Send a message, and yield the answer in parts. Raises ChatError."""
        ...


@dataclass(slots=True)
class Chat:
    """A chat session with the agent at a URL.

    Attributes:
        session: id of the session. If it is None, the agent chooses one with the first answer.
        finish_reason: why the model ended the last answer.
    """

    url: str
    session: str | None = None
    model: str | None = None
    key: str | None = field(default=None, repr=False)
    finish_reason: str | None = None

    def ask(self, message: str) -> Generator[str, None, None]:
        """Send a message, and yield the answer in parts.

        Raises:
            ChatError: the agent is unreachable, refuses the request, or the answer breaks off.
        """
        connection = self._connection()
        try:
            response = self._send(connection, message)
            if response.status != 200:  # noqa: PLR2004
                raise ChatError(_error_detail(response))
            yield from self._parts(response)
        except (OSError, HTTPException) as error:
            raise ChatError(f"{self.url}: {_reason(error)}") from None
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        parts = urlsplit(self.url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if parts.scheme not in {"http", "https"} or not host:
            raise ChatError(f"{self.url}: not a URL: use http or https, such as {DEFAULT_URL}")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        return kind(host, port, timeout=TIMEOUT)

    def _send(self, connection: HTTPConnection, message: str) -> HTTPResponse:
        fields = {"message": message, "session_id": self.session, "model": self.model}
        body = json.dumps({name: value for name, value in fields.items() if value is not None}).encode()
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        connection.request("POST", f"{urlsplit(self.url).path.rstrip('/')}/api/chat", body, headers)
        return connection.getresponse()

    def _parts(self, response: HTTPResponse) -> Iterator[str]:
        for kind, data in _events(response):
            if kind == "delta":
                yield printable(data["text"])
            elif kind == "error":
                raise ChatError(data["detail"])
            elif kind == "done":
                self.session = data["session_id"]
                self.finish_reason = data.get("finish_reason")
                return
        raise ChatError("the connection broke before the answer was complete")


def run(chat: Conversation) -> int:
    """Chat until the input ends or /quit; return the exit status.

    It is 1 if the last message failed, 130 if it was interrupted.
    """
    interactive = sys.stdin.isatty()
    if interactive:
        with suppress(ImportError):
            import readline  # noqa: F401, PLC0415  (gives input() a history and line editing)
        sys.stdout.write(HELP)
    code = 0
    try:
        while (message := _read(interactive=interactive)) not in QUIT:
            code = _turn(chat, message) if message else code
            if code == INTERRUPTED and not interactive:
                return code
    except EOFError:
        sys.stdout.write("\n" if interactive else "")
    except KeyboardInterrupt:
        sys.stdout.write("\n" if interactive else "")
        return INTERRUPTED
    return code


def _read(*, interactive: bool) -> str:
    return input(PROMPT if interactive else "").strip()


def _turn(chat: Conversation, message: str) -> int:
    if message == NEW:
        chat.session = None
        sys.stdout.write("[new conversation]\n")
        return 0
    try:
        with closing(chat.ask(message)) as parts:
            for part in parts:
                sys.stdout.write(part)
                sys.stdout.flush()
        sys.stdout.write("\n")
        if chat.finish_reason not in _WHOLE:
            sys.stderr.write(
                f"the answer is cut: {printable(str(chat.finish_reason))}; the agent does not remember it\n"
            )
    except ChatError as error:
        sys.stderr.write(f"error: {printable(str(error))}\n")
        return 1
    except KeyboardInterrupt:
        sys.stdout.write("\n[stopped]\n")
        return INTERRUPTED
    return 0


def key_from_environment() -> str | None:
    """Return the API key. It is not an argument, because other processes on the machine can read arguments."""
    return os.environ.get(KEY_VARIABLE) or None


def _events(response: HTTPResponse) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = ""
    for line in response:
        name, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)


def _error_detail(response: HTTPResponse) -> str:
    try:
        detail = json.loads(response.read(65_536))["detail"]
    except (ValueError, KeyError, TypeError):
        return f"the agent answered {response.status}: is the URL right?"
    hint = f" (set {KEY_VARIABLE})" if response.status == 401 else ""  # noqa: PLR2004
    return f"{detail}{hint}"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:g} s: see the log of the agent, or try again"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
