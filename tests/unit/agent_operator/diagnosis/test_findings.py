"""The report of a pod about its components, which any program in the pod may write."""

import json
import time
from typing import Any

import pytest

from agent_operator.diagnosis.findings import (
    LARGEST_REPORT,
    ComponentFault,
    Diagnosis,
    PodReport,
    UnreadableReportError,
    merge,
    parse_report,
)


def report(*components: Any) -> bytes:
    return json.dumps({"status": "unhealthy", "components": components}).encode()


def component(name: Any = "gpt", status: Any = "unhealthy", **details: Any) -> dict[str, Any]:
    return {"name": name, "status": status, "latency_ms": 1.0, "details": details}


def test_the_first_component_is_vital() -> None:
    body = report(component(error="refuses", reason="ConnectionRefused"), component("redis", error="down"))

    assert parse_report("a-1", body).faults == (
        ComponentFault("gpt", "ConnectionRefused", "refuses", "a-1", is_vital=True),
        ComponentFault("redis", "Unhealthy", "down", "a-1"),
    )
    assert parse_report("a-1", report(component(status="healthy"))) == PodReport()


@pytest.mark.parametrize(
    "hostile",
    [
        component(error="x" * 60_000, reason="Y" * 60_000),
        component(error="\x1b]0;owned\x07\n", reason="not a reason"),
        component(name={"a": 1}, error=["b"], reason=3),
        component(name="", status=None),
        {"name": "gpt", "details": "none"},
    ],
)
def test_a_hostile_report_is_bounded_and_printable(hostile: dict[str, Any]) -> None:
    (fault,) = parse_report("a-1", report(hostile)).faults

    assert fault.reason == "Unhealthy"
    assert fault.name
    assert 0 < len(str(fault)) < 700
    assert str(fault).isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        b'{"components":{}}',
        b'{"components":[1]}',
        b"[" * LARGEST_REPORT,
        b"\xff",
    ],
)
def test_another_response_is_no_report(body: bytes) -> None:
    with pytest.raises(UnreadableReportError):
        parse_report("a-1", body)


def test_the_largest_report_takes_little_time() -> None:
    body = report(*(component(f"c{number}", error="e") for number in range(800)))[:LARGEST_REPORT]
    began = time.thread_time()
    for _ in range(20):
        with pytest.raises(UnreadableReportError):
            parse_report("a-1", body[:-1])
    assert time.thread_time() - began < 1
    assert len(parse_report("a-1", report(*(component(f"c{number}") for number in range(400)))).faults) == 8


def test_a_component_is_reported_once_for_all_pods() -> None:
    first, second = (
        tuple(ComponentFault(name, "Unreachable", "m", pod) for name in ("redis", "mcp")) for pod in ("a-1", "a-2")
    )
    vital = ComponentFault("gpt", "HostUnknown", "m", "a-2", is_vital=True)

    assert merge([first, (*second, vital)]) == (vital, first[1], first[0])


@pytest.mark.parametrize(
    ("message", "differs"),
    [("no answer within 7.5 s", False), ("no answer within 31 s", False), ("the connection is refused", True)],
)
def test_a_varying_number_is_no_change(message: str, *, differs: bool) -> None:
    """A status that changed with every look would be written every few seconds."""
    before = Diagnosis((ComponentFault("gpt", "ProbeTimeout", "no answer within 3.0 s", "a-1"),))

    assert Diagnosis((ComponentFault("gpt", "ProbeTimeout", message, "a-1"),)).differs(before) is differs
