"""Whether the API server answers: from what is it taken, and how often is it logged?"""

import logging

import pytest

from agent_operator.kube.reachability import Reachability
from agent_operator.observability import logs


def test_it_is_logged_when_it_turns_and_not_in_between(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reachability = Reachability(lambda: 5.0)
    assert reachability.first_answer is None
    reachability.answered("https://api")
    for _ in range(10):
        reachability.failed("https://api", ConnectionRefusedError())
    assert reachability.unreachable
    reachability.answered("https://api")
    assert not reachability.unreachable
    assert reachability.first_answer == 5.0
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_connection_that_breaks_says_little(caplog: pytest.LogCaptureFixture) -> None:
    reachability = Reachability(lambda: 5.0)
    for _ in range(10):
        reachability.failed("https://api", ConnectionResetError())
        reachability.failed("https://api", ConnectionResetError())
        reachability.answered("https://api")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("name", "message", "told"),
    [
        ("kopf._cogs.clients.watching", "Request attempt #1/9 failed; will retry: GET …", False),
        ("kopf._core.reactor.running", "Watcher has failed", True),
        ("agent_operator.kube.transport", "Request attempt", True),
    ],
)
def test_kopfs_attempts_are_left_out_of_the_log(name: str, message: str, told: bool) -> None:
    record = logging.LogRecord(name, logging.ERROR, "", 0, message, None, None)
    assert logs.is_relevant(record) is told
