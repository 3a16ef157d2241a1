"""The proof that new data of a Secret has reached the pods."""

from typing import Any

import pytest

from agent_operator.status.secret_rotation import proof

THEN, NOW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
KNOWN = {"name": "azure", "hash": "aa", "lastRotated": THEN, "inUseBy": "2/2 pods"}


def pods(*hashes: str | None, ended: int = 0) -> list[dict[str, Any]]:
    running: list[dict[str, Any]] = [{"secretHash": f"azure={found},other=aa"} if found else {} for found in hashes]
    return running + [{"secretHash": "azure=aa", "ended": True}] * ended


CASES: list[tuple[str, dict[str, str | None], list[dict[str, str]], list[dict[str, Any]], list[dict[str, str]]]] = [
    (
        "new data is dated now",
        {"azure": "bb"},
        [KNOWN],
        pods("aa", "bb"),
        [KNOWN | {"hash": "bb", "lastRotated": NOW, "inUseBy": "1/2 pods"}],
    ),
    ("the same data keeps its date", {"azure": "aa"}, [KNOWN], pods("aa", "aa"), [KNOWN]),
    (
        "data seen for the first time is dated now",
        {"azure": "aa"},
        [],
        [],
        [KNOWN | {"lastRotated": NOW, "inUseBy": "0/0 pods"}],
    ),
    (
        "while the Secret cannot be read, the hash stays, and pods are counted",
        {"azure": None},
        [KNOWN],
        pods("aa", None),
        [KNOWN | {"inUseBy": "1/2 pods"}],
    ),
    ("a Secret that was never read is left out", {"azure": None}, [], pods("aa"), []),
    ("a Secret that is no longer used is left out", {}, [KNOWN], pods("aa"), []),
    ("pods that have ended do not count", {"azure": "aa"}, [KNOWN], pods("aa", "aa", ended=3), [KNOWN]),
]


@pytest.mark.parametrize(
    ("current", "before", "running", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_proof(
    current: dict[str, str | None],
    before: list[dict[str, str]],
    running: list[dict[str, Any]],
    expected: list[dict[str, str]],
) -> None:
    assert proof(current, before, running, NOW) == expected
