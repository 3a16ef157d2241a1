"""API keys of callers: read from a file, compared without revealing them, and read again."""

from pathlib import Path

import pytest

from agent_runtime.errors import Problem
from agent_runtime.http import api_keys as module
from agent_runtime.http.api_keys import ApiKeys
from tests.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """A clock that does not move by itself."""
    return ManualClock(now=100.0)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic one", "Bearer three", "Bearer one two", "one"])
def test_only_keys_of_the_file_are_accepted(tmp_path: Path, header: str) -> None:
    """The name of a caller does not contain its key."""
    (tmp_path / "keys").write_text("one\n\n two \n")
    keys = ApiKeys(tmp_path / "keys")

    with pytest.raises(Problem) as raised:
        keys.caller(header)

    assert (raised.value.status, raised.value.code) == (401, "invalid_api_key")
    assert keys.caller("Bearer one") != keys.caller("bearer two")
    assert "one" not in keys.caller("Bearer one")


def test_the_file_is_read_again_when_it_changes(tmp_path: Path, clock: ManualClock) -> None:
    """The kubelet replaces the file. While there is no file, the last known keys stay valid."""
    path = tmp_path / "keys"
    path.write_text("old")
    keys = ApiKeys(path, clock)
    keys.caller("Bearer old")

    path.unlink()
    clock.now += module.RELOAD_INTERVAL
    assert keys.caller("Bearer old")
    (tmp_path / "next").write_text("new")
    (tmp_path / "next").replace(path)
    clock.now += module.RELOAD_INTERVAL

    assert keys.caller("Bearer new")
    with pytest.raises(Problem):
        keys.caller("Bearer old")


def test_without_the_file_every_request_is_refused(tmp_path: Path) -> None:
    """Keys are required, but none is known."""
    with pytest.raises(Problem):
        ApiKeys(tmp_path / "keys").caller("Bearer ")
