"""Matches texts against untrusted regular expressions in bounded time.

The engine is Rust's regex, which pydantic includes: its time is linear in the length of the text. The factor is the
size of the compiled expression, which repetitions such as (a{100}){100} multiply. So both sizes are bounded.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

MAX_PATTERN_CHARS = 2048
# Size of an expression with its repetitions written out. The largest takes 40 ms to compile.
MAX_SIZE = 3000
# Size times length of the text. The largest takes 30 ms to match.
MAX_WORK = 2_000_000
_TOKEN = re.compile(r"\\[pP](?:\{[^}]*\})?|\\.|\[(?:\\.|[^\]\\])*\]|\{(\d*)(?:,(\d*))?\}|.", re.DOTALL)
# Classes of Unicode characters compile to many ranges of bytes.
_LARGE_CLASS = re.compile(r"\\[wWpP]|\[.*\\[wWpPDS]", re.DOTALL)
_SMALL_CLASS = re.compile(r"\\[dDsS]|\.|\[\^|\[.*(?:\\|[^\0-~])", re.DOTALL)


def matches(pattern: str, text: str) -> bool | None:
    """Return whether the text contains a match; None if that cannot be decided in bounded time.

    It cannot if the pattern is invalid, too large, or uses lookaround or backreferences, which need a backtracking
    engine.
    """
    compiled = _compiled(pattern)
    if compiled is None or compiled[0] * len(text) > MAX_WORK:
        return None
    return compiled[1](text)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> tuple[int, Callable[[str], bool]] | None:
    """Return the size of a pattern and its matcher; None if there is none."""
    if len(pattern) > MAX_PATTERN_CHARS or (size := _size(pattern)) > MAX_SIZE:
        return None
    try:
        schema = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
        return size, SchemaValidator(schema).isinstance_python
    except SchemaError:
        return None


def _size(pattern: str) -> int:
    """Return an upper bound of the size of a pattern, with repetitions written out."""
    # Sizes of the open groups, the innermost last; and the size of the last atom, to which a repetition applies.
    groups, atom = [0], 0
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if text == "(":
            groups.append(0)
            atom = 0
            continue
        if text == ")" and len(groups) > 1:
            atom = groups.pop()
        elif token[1] is not None or token[2] is not None:
            # The atom is already counted once.
            repeated = atom * max(_count(token[1]), _count(token[2]), 1)
            groups[-1] += repeated - atom
            atom = repeated
            continue
        else:
            atom = 40 if _LARGE_CLASS.match(text) else 6 if _SMALL_CLASS.match(text) else 1
        groups[-1] += atom
    return sum(groups)


def _count(digits: str | None) -> int:
    return int(digits[:9]) if digits else 0
