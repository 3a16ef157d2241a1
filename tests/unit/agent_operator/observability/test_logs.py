"""The log filter drops errors of kopf that the operator reports itself."""

import logging

import pytest

from agent_operator.observability import logs


@pytest.mark.parametrize(
    ("name", "message", "logged"),
    [
        ("kopf._cogs.clients.watching", "Request attempt #1/9 failed; will retry: GET …", False),
        ("kopf._core.reactor.running", "Watcher has failed", True),
        ("agent_operator.kube.transport", "Request attempt", True),
    ],
)
def test_attempts_of_kopf_are_not_logged(name: str, message: str, logged: bool) -> None:
    record = logging.LogRecord(name, logging.ERROR, "", 0, message, None, None)
    assert logs.is_relevant(record) is logged
