"""Sessions in the process's memory."""

from agent_runtime.memory.base import MAX_TURNS, Turn, decode
from agent_runtime.memory.local import LocalStore


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def texts(turns: list[Turn]) -> list[str]:
    """What the user said in each turn."""
    return [turn.messages[0]["content"] for turn in turns]


async def test_a_session_ends_its_time_after_the_last_turn() -> None:
    """Each turn begins the time anew; reading does not."""
    clock = Clock()
    store = LocalStore(10, clock=clock)
    await store.append("s", Turn.of("a", "b"))
    clock.now = 9
    await store.append("s", Turn.of("c", "d"))
    clock.now = 18
    assert texts(await store.history("s")) == ["a", "c"]
    clock.now = 19

    assert await store.history("s") == []
    assert store.sessions() == ()


async def test_the_least_recently_used_goes_first() -> None:
    """When the memory is full; what was just read stays."""
    store = LocalStore(10, max_bytes=3_000)
    for name in ("a", "b"):
        await store.append(name, Turn.of("x" * 700, ""))
    await store.history("a")
    await store.append("c", Turn.of("x" * 700, ""))

    assert store.sessions() == ("a", "c")


async def test_expired_sessions_do_not_stay() -> None:
    """Though nobody asks for them again."""
    clock = Clock()
    store = LocalStore(10, clock=clock)
    for number in range(100):
        await store.append(str(number), Turn.of("a", "b"))
    clock.now = 11
    await store.append("new", Turn.of("a", "b"))

    assert store.sessions() == ("new",)


async def test_a_session_keeps_its_latest_turns() -> None:
    """MAX_TURNS of them."""
    store = LocalStore(10)
    for number in range(MAX_TURNS + 5):
        await store.append("s", Turn.of(str(number), ""))

    assert texts(await store.history("s"))[0] == "5"


async def test_delete_says_whether_there_was_one() -> None:
    """Once."""
    store = LocalStore(10)
    await store.append("s", Turn.of("a", "b"))

    assert await store.delete("s")
    assert not await store.delete("s")


def test_decoding_leaves_out_doubles_and_strangers() -> None:
    """A turn that was written twice counts once; what is none of ours does not break the session."""
    turn = Turn.of("a", "b")

    assert decode([turn.to_bytes(), b"{", b"[]", b"{}", b"1", turn.to_bytes()]) == [turn]
