"""Reachability logs changes once, and ignores single broken connections."""

import logging

import pytest

from agent_operator.kube.reachability import Reachability


def test_only_changes_of_reachability_are_logged(caplog: pytest.LogCaptureFixture) -> None:
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


def test_single_broken_connections_are_no_outage(caplog: pytest.LogCaptureFixture) -> None:
    reachability = Reachability(lambda: 5.0)
    for _ in range(10):
        reachability.failed("https://api", ConnectionResetError())
        reachability.failed("https://api", ConnectionResetError())
        reachability.answered("https://api")
    assert caplog.records == []
