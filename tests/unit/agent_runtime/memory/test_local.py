"""Sessions in the memory of the process."""

import tracemalloc

import pytest

from agent_runtime.memory.base import MAX_TURNS, Turn, turn
from agent_runtime.memory.local import LocalStore
from tests.clock import ManualClock


def texts(turns: list[Turn]) -> list[str]:
    """The user's message of each turn."""
    return [turn["messages"][0]["content"] for turn in turns]


async def test_a_session_expires_after_its_last_turn() -> None:
    """A turn restarts the time; reading does not."""
    clock = ManualClock()
    store = LocalStore(10, clock=clock)
    await store.append("s", turn("a", "b"))
    clock.now = 9
    await store.append("s", turn("c", "d"))
    clock.now = 18
    assert texts(await store.history("s")) == ["a", "c"]
    clock.now = 19

    assert await store.history("s") == []
    assert store.sessions() == ()


async def test_the_least_recently_used_session_is_dropped_first() -> None:
    store = LocalStore(10, max_bytes=6_300)
    names = "abcde"
    for name in names[:4]:
        await store.append(name, turn("x" * 700, ""))
    await store.history("a")
    for name in names[4:]:
        await store.append(name, turn("x" * 700, ""))

    assert store.sessions() == ("c", "d", "a", "e")


async def test_a_long_session_does_not_replace_the_others() -> None:
    """It keeps the latest turns that fit into a quarter of the memory."""
    store = LocalStore(10, max_bytes=10_000)
    await store.append("other", turn("hi", ""))
    for number in range(40):
        await store.append("long", turn(f"{number} " + "x" * 700, ""))
    await store.append("one turn", turn("x" * 9_000, ""))

    assert len(await store.history("other")) == 1
    assert [text.split()[0] for text in texts(await store.history("long"))] == ["38", "39"]
    assert await store.history("one turn") == []


@pytest.mark.parametrize(
    ("max_bytes", "max_sessions", "sessions"), [(60_000, 1_000, 200), (10**9, 20, 200), (60_000, 20, 12)]
)
async def test_no_caller_displaces_sessions_of_the_others(max_bytes: int, max_sessions: int, sessions: int) -> None:
    """Callers without a name count as one. A few large sessions displace others as little as many small ones."""
    store = LocalStore(10, max_bytes, max_sessions)
    words = "x" * (60_000 // sessions)
    for others in ("one:s", "two:s", "s"):
        await store.append(others, turn("hi", ""))
    for number in range(sessions * 2):
        await store.append(f"busy:{number % sessions}", turn(words, ""))

    for others in ("one:s", "two:s", "s"):
        assert texts(await store.history(others)) == ["hi"]
    kept = [name for name in store.sessions() if name.startswith("busy:")]
    assert kept == [f"busy:{number}" for number in range(sessions - len(kept), sessions)]
    assert kept


async def test_the_overhead_of_callers_counts() -> None:
    """Many callers with one session each stay within the limit."""
    most = 1024 * 1024
    store = LocalStore(10, max_bytes=most, max_sessions=1_000_000)
    tracemalloc.start()
    for number in range(1_500):
        await store.append(f"caller-{number}:s", turn("", ""))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most / 2 < taken < most * 1.25
    assert store.sessions()[-1] == "caller-1499:s"


async def test_expired_sessions_are_dropped_without_a_request() -> None:
    """The bytes of expired sessions are free again."""
    clock = ManualClock()
    store = LocalStore(10, clock=clock)
    for number in range(100):
        await store.append(str(number), turn("a", "b"))
    clock.now = 5
    await store.append("new", turn("a", "b"))
    clock.now = 11
    store.drop_expired()

    assert store.sessions() == ("new",)
    clock.now = 15
    store.drop_expired()
    assert (store.sessions(), store._bytes) == ((), 0)


async def test_the_number_of_sessions_has_a_limit() -> None:
    store = LocalStore(10, max_sessions=3)
    for number in range(10):
        await store.append(str(number), turn("a", "b"))

    assert store.sessions() == ("7", "8", "9")


async def test_the_counted_bytes_match_the_memory_of_the_process() -> None:
    """The count is right for small and for large turns."""
    for words in ("", "x" * 400):
        most = 4 * 1024 * 1024
        store = LocalStore(10, max_bytes=most, max_sessions=1_000_000)
        tracemalloc.start()
        for number in range(20_000):
            await store.append(f"session-{number % 7_000}", turn(words, words))
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert most / 2 < taken < most * 1.25, words


async def test_a_session_keeps_its_latest_turns() -> None:
    store = LocalStore(10)
    for number in range(MAX_TURNS + 5):
        await store.append("s", turn(str(number), ""))

    assert texts(await store.history("s"))[0] == "5"


async def test_delete_returns_whether_the_session_was_known() -> None:
    store = LocalStore(10)
    await store.append("s", turn("a", "b"))

    assert await store.delete("s")
    assert not await store.delete("s")
