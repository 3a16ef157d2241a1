"""Lines of logs, and which containers have a log."""

import io
from typing import Any

import pytest

from agentctl.cluster import pod_logs
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.pod_logs import Line, Options
from agentctl.errors import CommandError

T1, T2 = "2026-01-01T00:00:00.000000001Z", "2026-01-01T00:00:02Z"


@pytest.mark.parametrize(
    ("log", "lines"),
    [
        (f"{T1} one\n{T2} two\n", [(T1, "one"), (T2, "two")]),
        (f"{T1} one\nno time\r\n{T2} \n", [(T1, "one"), (T1, "no time"), (T2, "")]),
        (f"{T1} unfinished", [(T1, "unfinished")]),
        ("2026 is no time\n", [("", "2026 is no time")]),
        ("", []),
    ],
)
def test_a_line_has_its_time_or_that_of_the_line_before(log: str, lines: list[tuple[str, str]]) -> None:
    found = list(pod_logs.parse("web-1", io.BytesIO(log.encode())))

    assert found == [Line("web-1", time, text) for time, text in lines]


def test_a_long_line_is_split_and_its_parts_are_not_read_as_times() -> None:
    text = "x" * (pod_logs._MAX_LINE - len(T1) - 1) + f"{T2} rest"
    raw = f"{T1} {text}\n".encode() + b"\xff\n"

    found = list(pod_logs.parse("web-1", io.BytesIO(raw)))

    assert [line.time for line in found] == [T1, T1, T1]
    assert found[0].text + found[1].text == text
    assert found[2].text == "\ufffd"


def status(name: str, restarts: int = 0, **state: Any) -> dict[str, Any]:
    return {"name": name, "restartCount": restarts, "state": state}


@pytest.mark.parametrize(
    ("statuses", "restarts"),
    [
        ({"containerStatuses": [status("agent", 2, running={})]}, 2),
        ({"containerStatuses": [status("agent", 1, terminated={})]}, 1),
        ({"containerStatuses": [status("agent", 3, waiting={"reason": "CrashLoopBackOff"})]}, None),
        ({"containerStatuses": [status("other", running={})]}, None),
        ({"initContainerStatuses": [status("agent", running={})]}, 0),
        ({}, None),
    ],
)
def test_a_container_has_a_log_once_it_has_started(statuses: dict[str, Any], restarts: int | None) -> None:
    assert pod_logs.started_restarts({"status": statuses}, "agent") == restarts


def test_options_are_passed_to_kubectl() -> None:
    options = Options("agent", since="10m", tail=0, previous=True)

    assert options.arguments("web-1") == [
        *("logs", "web-1", "--container=agent", "--timestamps", "--since=10m", "--tail=0", "--previous")
    ]
    assert Options("agent").arguments("web-1") == ["logs", "web-1", "--container=agent", "--timestamps"]


@pytest.mark.parametrize("error", [CommandError("i/o timeout"), OSError("no kubectl"), KeyError("uid")])
def test_a_failure_before_the_first_line_ends_the_following(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: str) -> list[dict[str, Any]]:
        raise error

    kubectl = Kubectl()
    monkeypatch.setattr(Kubectl, "get", lambda _self, *arguments: fail(*arguments))

    with pytest.raises(type(error)):
        next(pod_logs.follow(kubectl, "app=x", Options("agent"), 5))
