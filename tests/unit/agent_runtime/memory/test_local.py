"""Sessions in the process's memory."""

import tracemalloc

from agent_runtime.memory.base import MAX_TURNS, Turn, turn
from agent_runtime.memory.local import LocalStore


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def texts(turns: list[Turn]) -> list[str]:
    """What the user said in each turn."""
    return [one["messages"][0]["content"] for one in turns]


async def test_a_session_ends_its_time_after_the_last_turn() -> None:
    """Each turn begins the time anew; reading does not."""
    clock = Clock()
    store = LocalStore(10, clock=clock)
    await store.append("s", turn("a", "b"))
    clock.now = 9
    await store.append("s", turn("c", "d"))
    clock.now = 18
    assert texts(await store.history("s")) == ["a", "c"]
    clock.now = 19

    assert await store.history("s") == []
    assert store.sessions() == ()


async def test_the_least_recently_used_goes_first() -> None:
    """When the memory is full; what was just read stays."""
    store = LocalStore(10, max_bytes=3_000)
    for name in ("a", "b"):
        await store.append(name, turn("x" * 700, ""))
    await store.history("a")
    await store.append("c", turn("x" * 700, ""))

    assert store.sessions() == ("a", "c")


async def test_expired_sessions_do_not_stay() -> None:
    """Though nobody asks for them again; the room they took is free."""
    clock = Clock()
    store = LocalStore(10, clock=clock)
    for number in range(100):
        await store.append(str(number), turn("a", "b"))
    clock.now = 5
    await store.append("new", turn("a", "b"))
    clock.now = 11
    store.forget_expired()

    assert store.sessions() == ("new",)
    clock.now = 15
    store.forget_expired()
    assert (store.sessions(), store._bytes) == ((), 0)


async def test_there_is_an_end_to_the_number_of_sessions() -> None:
    """However small they are: those used last stay."""
    store = LocalStore(10, max_sessions=3)
    for number in range(10):
        await store.append(str(number), turn("a", "b"))

    assert store.sessions() == ("7", "8", "9")


async def test_what_is_counted_is_what_it_takes() -> None:
    """The process's memory does not grow by much more than the bound, whatever the size of the turns."""
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
    """MAX_TURNS of them."""
    store = LocalStore(10)
    for number in range(MAX_TURNS + 5):
        await store.append("s", turn(str(number), ""))

    assert texts(await store.history("s"))[0] == "5"


async def test_delete_says_whether_there_was_one() -> None:
    """Once."""
    store = LocalStore(10)
    await store.append("s", turn("a", "b"))

    assert await store.delete("s")
    assert not await store.delete("s")
