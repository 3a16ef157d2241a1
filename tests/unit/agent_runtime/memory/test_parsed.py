"""Parsed sessions: which turns of a session are known without reading all of them."""

import pytest

from agent_runtime.memory.base import MAX_TURNS, Turn, encode, turn
from agent_runtime.memory.parsed import MAX_BYTES, ParsedSessions
from tests.clock import ManualClock

TURNS = [turn(f"message {number}", "answer") for number in range(4)]
STORED = [encode(one) for one in TURNS]


def parsed(turns: list[Turn] = TURNS[:2], clock: ManualClock | None = None) -> ParsedSessions:
    """Return parsed sessions with one session, s."""
    sessions = ParsedSessions(10, clock or ManualClock())
    sessions.keep("s", [encode(one) for one in turns], turns)
    return sessions


def test_a_session_is_unchanged_if_its_last_two_turns_are() -> None:
    sessions = parsed(TURNS[:3])

    assert sessions.last("s") == tuple(STORED[1:3])
    assert sessions.unchanged("s", tuple(STORED[1:3])) == TURNS[:3]
    assert sessions.unchanged("s", tuple(STORED[2:4])) is None
    assert sessions.unchanged("other", ()) is None


def test_a_turn_of_this_pod_follows_one_that_redis_had() -> None:
    """If another pod adds a turn between the two, the last turns in Redis are others."""
    sessions = parsed()

    sessions.add("s", STORED[2], TURNS[2])

    assert sessions.last("s") == tuple(STORED[1:3])
    assert sessions.unchanged("s", tuple(STORED[1:3])) == TURNS[:3]


def test_two_turns_at_once_make_the_session_be_read_again() -> None:
    """Another pod may have added a turn before them, and the last two turns would not show it."""
    sessions = parsed()

    sessions.add("s", STORED[2], TURNS[2])
    sessions.add("s", STORED[3], TURNS[3])

    assert sessions.last("s") == ()


def test_a_session_that_another_pod_continues_is_read_at_once() -> None:
    """Until this pod has read it twice without a turn of another pod."""
    sessions = parsed()

    sessions.keep("s", STORED[:3], TURNS[:3])
    assert sessions.last("s") == ()

    sessions.keep("s", STORED[:3], TURNS[:3])
    assert sessions.last("s") == tuple(STORED[1:3])


def test_the_caller_may_change_the_list() -> None:
    sessions = parsed()

    found = sessions.unchanged("s", tuple(STORED[:2])) or []
    found.clear()

    assert sessions.unchanged("s", tuple(STORED[:2])) == TURNS[:2]


def test_only_the_newest_turns_are_kept() -> None:
    turns = [turn(str(number), "") for number in range(MAX_TURNS)]
    sessions = parsed(turns)

    sessions.add("s", STORED[0], TURNS[0])

    found = sessions.unchanged("s", sessions.last("s"))
    assert found == [*turns[1:], TURNS[0]]


def test_sessions_expire_and_are_forgotten() -> None:
    clock = ManualClock()
    sessions = parsed(clock=clock)
    sessions.keep("t", STORED[:1], TURNS[:1])
    clock.now = 9
    sessions.unchanged("s", sessions.last("s"))
    clock.now = 11
    sessions.drop_expired()

    assert sessions.last("s")
    assert not sessions.last("t")

    sessions.forget("s")
    assert not sessions.last("s")


@pytest.mark.parametrize("characters", [1_000, MAX_BYTES // 16, MAX_BYTES])
def test_memory_is_bounded(characters: int) -> None:
    """The least recently used session is dropped. A long one is not kept."""
    sessions, number = ParsedSessions(10), 2 * MAX_BYTES // characters
    one = turn("x" * characters, "")
    stored = encode(one)
    for name in range(number):
        sessions.keep(f"s{name}", [stored], [one])
        sessions.add(f"s{name}", stored, one)

    kept = [name for name in range(number) if sessions.last(f"s{name}")]

    assert 2 * len(kept) * characters <= MAX_BYTES
    assert kept == list(range(number))[number - len(kept) :]
    assert bool(kept) == (characters < MAX_BYTES)


def test_turns_that_this_pod_adds_are_bounded() -> None:
    """Sessions that were short when they were read grow."""
    sessions = ParsedSessions(10)
    one = turn("x" * 10_000, "")
    for name in range(50):
        sessions.keep(f"s{name}", STORED[:2], TURNS[:2])
    for _ in range(20):
        for name in range(50):
            sessions.unchanged(f"s{name}", sessions.last(f"s{name}"))
            sessions.add(f"s{name}", encode(one), one)

    known = [f"s{name}" for name in range(50) if sessions.last(f"s{name}")]
    turns = [one for name in known for one in sessions.unchanged(name, sessions.last(name)) or ()]

    assert 0 < sum(len(one["messages"][0]["content"]) for one in turns) <= MAX_BYTES
