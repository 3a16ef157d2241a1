"""Finds the values of Secrets in texts, in the forms in which programs write them. Pure."""

import base64
import binascii
import json
import re
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote

# A shorter value of a Secret may be an ordinary word.
SHORTEST_VALUE = 6
_LONGEST_VALUE = 8_192
_LONGEST_HEAD = 64
_MOST_VALUES = 16_384
_MOST_LINES = 4_096
_DEPTH = 16
# Values of settings that Secrets have beside credentials. They appear in ordinary messages.
_ORDINARY_TEXT = (
    "default disabled enabled production development staging testing localhost postgres postgresql "
    "password username redis:// http:// https:// azure_openai openai anthropic kubernetes service_account "
    "warning"
)
_ORDINARY = frozenset(_ORDINARY_TEXT.split())
_PARTS = re.compile(r"[;&,\s]+")
_LOGIN = re.compile(r"://([^\s\"']*)@")


class KnownValues:
    """The values of Secrets. The time to search a text does not depend on their number."""

    def __init__(self, values: Collection[str]) -> None:
        # First characters -> lengths, the longest first; head -> the longest value that begins with it.
        self._lengths: dict[str, list[int]] = {}
        self._values: dict[str, str] = {}
        for value in islice(_forms(values), _MOST_VALUES):
            head = value[:_LONGEST_HEAD]
            if len(value) > len(self._values.get(head, "")):
                self._values[head] = value
            lengths = self._lengths.setdefault(value[:SHORTEST_VALUE], [])
            if len(head) not in lengths:
                lengths.append(len(head))
        for lengths in self._lengths.values():
            lengths.sort(reverse=True)

    def replace(self, text: str, replacement: str) -> str:
        """Return the text in which the replacement stands for each known value."""
        if not self._lengths:
            return text
        parts: list[str] = []
        copied, at, first = 0, 0, self._lengths
        last = len(text) - SHORTEST_VALUE
        while at <= last:
            lengths = first.get(text[at : at + SHORTEST_VALUE])
            size = self._match(text, at, lengths) if lengths else 0
            if size:
                parts += [text[copied:at], replacement]
                copied = at = at + size
            else:
                at += 1
        return "".join([*parts, text[copied:]])

    def _match(self, text: str, at: int, lengths: Iterable[int]) -> int:
        """Return how many characters of the text are of a known value; 0 if it does not begin here."""
        for length in lengths:
            value = self._values.get(text[at : at + length])
            if value is not None:
                if len(value) <= _LONGEST_HEAD or text.startswith(value, at):
                    return len(value)
                return _common(value, text[at : at + len(value)])
        return 0


def _common(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def _forms(values: Iterable[str]) -> Iterator[str]:
    """Yield the values as they are, in JSON, in a URL, and in base64."""
    for value in values:
        if len(value) < SHORTEST_VALUE or value.lower() in _ORDINARY:
            continue
        bounded = value[:_LONGEST_VALUE]
        escaped = (json.dumps(bounded)[1:-1], json.dumps(bounded, ensure_ascii=False)[1:-1])
        encoded = base64.b64encode(bounded.encode(errors="replace")).decode()
        found = {bounded, *escaped, json.dumps(escaped[0])[1:-1], quote(bounded, safe=""), encoded, encoded.rstrip("=")}
        yield from (form for form in found if len(form) >= SHORTEST_VALUE)


def parts_of(value: str) -> Iterator[str]:
    """Yield a value of a Secret and the credentials in it: its lines, settings, logins, and leaves of JSON."""
    yield value.strip()
    yield from _leaves_of(value)
    for line in islice(value.splitlines(), _MOST_LINES):
        yield line.strip()
        yield from _settings(line)


def _settings(line: str) -> Iterator[str]:
    """Yield what follows `=` or `: ` in a line, and the logins of its URLs."""
    for login in _LOGIN.findall(line):
        yield login
        yield login.partition(":")[2]
    for separator in ("=", ": "):
        _, found, after = line.partition(separator)
        if found:
            yield after.strip().strip("\"'")
    words = [word for word in _PARTS.split(line) if word]
    if len(words) > 1:
        for word in words:
            yield word.partition("=")[2].strip("\"'") or (word if not word.isalpha() else "")


def _leaves_of(value: str) -> Iterator[str]:
    if not value.lstrip().startswith(("{", "[")):
        return
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return
    for leaf in islice(_leaves(found, _DEPTH), _MOST_LINES):
        yield leaf
        yield from _login_in_base64(leaf)
        for line in islice(leaf.splitlines(), _MOST_LINES):
            yield line.strip()


def _leaves(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list) and depth:
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item, depth - 1)


def _login_in_base64(value: str) -> Iterator[str]:
    """Yield the password of `auth` in a .dockerconfigjson."""
    try:
        login = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return
    yield login.partition(":")[2]
