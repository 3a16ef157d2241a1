"""The ids of sessions that callers choose."""

import pytest

from agent_runtime.http import session_ids

TEAMS = "19:f2c4@thread.v2;messageid=1700000000000"


@pytest.mark.parametrize(
    "session_id",
    [
        "a",
        "a.b_c~d-e",
        "me@example.com",
        TEAMS,
        "a/b",
        "a:b",
        "#a",
        "..",
        "a b",
        "日本語",
        "👩‍👩‍👧",
        "é" * 128,
        "x" * 256,
    ],
)
def test_printable_text_is_an_id(session_id: str) -> None:
    assert session_ids.is_valid(session_id)


@pytest.mark.parametrize(
    "session_id", ["", "a\nb", "\x00", "a\x7f", "\x85", "a\u2028b", "\ud800", "é" * 129, "x" * 257, "\t", "a\x1b[0m"]
)
def test_other_text_is_no_id(session_id: str) -> None:
    assert not session_ids.is_valid(session_id)


def test_ids_of_earlier_versions_keep_their_keys() -> None:
    """Their sessions are found, also by replicas of an earlier version."""
    assert session_ids.key("", "a.b_c~d-e") == "a.b_c~d-e"
    assert session_ids.key("0123", "x" * 128) == f"0123:{'x' * 128}"


def test_keys_of_other_ids_are_short_and_reveal_nothing() -> None:
    """No two ids or callers share a key."""
    ids = [TEAMS, "a/b", "a:b", "me@example.com", "x" * 129, "#" + "0" * 64, session_ids.key("", TEAMS), "a", "b"]
    keys = [session_ids.key(caller, session_id) for session_id in ids for caller in ("", "a", "b")]

    assert len(set(keys)) == len(keys)
    assert all(len(key) <= 2 + 65 for key in keys)
    assert not any("thread" in key or "@" in key for key in keys)
