"""Which pods a restart has replaced."""

from typing import Any

import pytest

from agentctl.cluster import restart, rollout_commands
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.restart import is_replaced
from agentctl.errors import CommandError
from agentctl.formats import View

STARTED = "2026-11-23T08:00:00Z"
REPLACED = {
    "metadata": {"annotations": {"agent-operator.dev/restarted-at": STARTED}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}
OLD = {"metadata": {}, "status": REPLACED["status"]}


def test_it_prints_that_a_restart_has_begun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rollout_commands, "execute", lambda *_: {"metadata": {"name": "support"}})

    restart.run(Kubectl(), "support", restart.Waiting(30), View.TEXT)

    printed = capsys.readouterr().out
    assert printed.startswith("support: the restart has begun")
    assert "--wait" in printed


@pytest.mark.parametrize(
    ("time", "ready", "replaced"),
    [
        ("2026-11-23T08:00:00Z", "True", True),
        ("2026-11-23T08:00:00Z", "False", False),
        ("2026-11-23T09:00:00+00:00", "True", True),
        ("2026-11-23T08:30:00+01:00", "True", False),
        ("2026-11-23T08:00:01", "True", True),
        ("2026-11-23T07:59:59Z", "True", False),
        ("yesterday", "True", False),
        (None, "True", False),
    ],
)
def test_a_pod_is_replaced_if_it_is_ready_and_not_older_than_the_restart(time: str, ready: str, replaced: bool) -> None:
    annotations = {"agent-operator.dev/restarted-at": time} if time else None
    pod = {
        "metadata": {"annotations": annotations},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }

    assert is_replaced(pod, "2026-11-23T08:00:00Z") is replaced


@pytest.mark.parametrize(
    ("replicas", "pods", "done"),
    [
        (0, [], True),
        (0, [OLD], False),
        (0, [REPLACED], True),
        (2, [], False),
        (None, [], False),
        (2, [REPLACED, OLD], False),
        (2, [REPLACED, REPLACED], True),
    ],
)
def test_a_restart_ends_when_no_old_pod_is_left(
    replicas: int | None, pods: list[Any], done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = {"metadata": {"name": "web"}, "spec": {"replicas": replicas}}
    monkeypatch.setattr(restart, "get_agent", lambda *_: agent)
    monkeypatch.setattr(restart, "list_pods", lambda *_: pods)

    def wait() -> Any:
        return restart._wait_until_replaced(Kubectl(), agent, STARTED, -1, lambda _state: None)

    if done:
        assert wait() == agent
    else:
        with pytest.raises(CommandError, match="pods are replaced and ready after"):
            wait()
