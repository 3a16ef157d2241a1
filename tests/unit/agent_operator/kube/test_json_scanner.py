"""Objects and lists in a JSON text are counted without parsing it."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_operator.kube.json_scanner import has_more_values
from tests.cpu_time import LIMIT, cpu_seconds


@pytest.mark.parametrize(
    ("text", "limit", "more"),
    [
        (b"[]", 1, False),
        (b"[[]]", 1, True),
        (b'{"a":[{}]}', 3, False),
        (b'{"a":[{}]}', 2, True),
        (b'{"a":"[[[[[{{{{{"}', 1, False),
        (b'{"a":"\\"[[[[[","b":[]}', 2, False),
        (b'{"a":"\\"[[[[[","b":[]}', 1, True),
    ],
)
def test_brackets_in_strings_do_not_count(text: bytes, limit: int, more: bool) -> None:
    assert has_more_values(text, limit) is more


def _count(value: Any) -> int:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, list | dict) + sum(map(_count, below))


TEXTS = st.text(alphabet='[{"\\a')
VALUES = st.recursive(TEXTS, lambda below: st.lists(below) | st.dictionaries(TEXTS, below))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES)
def test_each_object_and_list_counts_once(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    """Also if a string is in two windows."""
    monkeypatch.setattr("agent_operator.kube.json_scanner._WINDOW", 3)
    text, values = json.dumps(value).encode(), _count(value)

    assert has_more_values(text, values) is False
    assert values == 0 or has_more_values(text, values - 1) is True


CUT_OFF = b"[" * 60_000 + b'"' + b"a" * 1_000_000


@pytest.mark.parametrize(
    "text", [CUT_OFF, b"[" + b"[]," * 500_000 + b"[]]", b'["' + b"[" * 1_500_000 + b'"]', b'"' * 1_500_000]
)
def test_large_texts_take_little_time(text: bytes) -> None:
    assert cpu_seconds(lambda: has_more_values(text, 50_000)) <= LIMIT
