"""The text of checks in a ConfigMap: YAML or JSON. Uses no other module, because a worker process imports it."""

import json
from typing import Any

import yaml

MAX_TEXT_BYTES = 256 * 1024
# The parser is recursive: much deeper nesting would crash the process.
_MAX_DEPTH = 64


class ChecksError(Exception):
    """A text is not a valid list of checks. The message has one line per problem and does not quote the text.

    Attributes:
        too_expensive: its patterns take too much CPU time or memory.
        retry: the operator may be able to read it later.
    """

    def __init__(self, message: str, *, too_expensive: bool = False, retry: bool = False) -> None:
        super().__init__(message)
        self.too_expensive = too_expensive
        self.retry = retry


def load(text: str) -> Any:
    """Parse YAML or JSON into values that JSON can represent.

    Raises:
        ChecksError: the text is neither, or too long.
    """
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise ChecksError(f"longer than {MAX_TEXT_BYTES} bytes: shorten or remove checks")
    document = _parsed(text)
    try:
        json.dumps(document, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        # YAML has dates, sets and infinity.
        raise ChecksError("contains a value that JSON cannot represent: put dates in quotes") from None
    return document


def _parsed(text: str) -> Any:
    try:
        _reject_expansion(text)
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ChecksError(
            f"neither YAML nor JSON: {getattr(error, 'problem', None) or 'cannot be parsed'}{where}"
        ) from None
    except ValueError:
        # For example an impossible date.
        raise ChecksError("neither YAML nor JSON: a value cannot be parsed: quote it") from None


def _reject_expansion(text: str) -> None:
    """Reject aliases and deep nesting, which make a short text expand to large values."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ChecksError("aliases (*name) are not supported: replace them with their values")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ChecksError(f"nested deeper than {_MAX_DEPTH} levels: flatten it")
