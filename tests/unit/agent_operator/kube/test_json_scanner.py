"""Objects and lists in a JSON text are counted without parsing it."""

import pytest

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


@pytest.mark.parametrize("text", [b"[" + b"[]," * 500_000 + b"[]]", b'["' + b"[" * 1_500_000 + b'"]', b'"' * 1_500_000])
def test_large_texts_take_little_time(text: bytes) -> None:
    assert cpu_seconds(lambda: has_more_values(text, 50_000)) <= LIMIT
