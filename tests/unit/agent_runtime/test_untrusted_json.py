"""JSON of others."""

import pytest

from agent_runtime.untrusted_json import MAX_VALUES, InvalidJsonError, loads


@pytest.mark.parametrize(
    "document", [b"{}", b'{"a": [1, null, "x"]}', b"[" * 250 + b"]" * 250, b"[1" + b",1" * 9999 + b"]"]
)
def test_ordinary_documents_are_read(document: bytes) -> None:
    assert loads(document) is not None


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "line 1"),
        (b"\xff", "line 1"),
        (b"NaN", "line 1"),
        (b"9" * 100_000, "line 1"),
        (b'"\\ud800"', "line 1"),
        (b"[" * 300 + b"]" * 300, "nested too deeply"),
        (b'{"a":' * 1100 + b"1" + b"}" * 1100, "line 1"),
        (b"[" * 100_000, "line 1"),
        (b"[" + b"1," * MAX_VALUES + b"1]", "more than"),
    ],
    ids=str,
)
def test_other_documents_are_refused(document: bytes, reason: str) -> None:
    with pytest.raises(InvalidJsonError, match=reason):
        loads(document)
