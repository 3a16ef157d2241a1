"""The Events of a pod that does not start name what is missing."""

from typing import Any

import pytest

from agent_operator.diagnosis.start_failures import start_failure

CONFIG_MAP = 'MountVolume.SetUp failed for volume "data" : configmap "missing" not found'
SECRET = 'MountVolume.SetUp failed for volume "data" : secret "gone" not found'
KEY = 'MountVolume.SetUp failed for volume "data" : references non-existent config key: rules.yaml'
SUMMARY = "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], timed out"
SANDBOX = 'Failed to create pod sandbox: no runtime for "gvisor" is configured'
ATTACH = 'AttachVolume.Attach failed for volume "pvc-1" : volume is attached to another node'


def event(reason: Any, note: Any, at: str = "2026-01-01T00:00:00Z", **more: Any) -> dict[str, Any]:
    about = {"regarding": {"kind": "Pod", "name": "a-1", "uid": "uid"}, "reportingController": "kubelet"}
    return {"metadata": {"name": "e"}, "reason": reason, "note": note, "deprecatedLastTimestamp": at} | about | more


@pytest.mark.parametrize(
    ("reason", "note", "remedy"),
    [
        ("FailedMount", CONFIG_MAP, "create the ConfigMap missing, or correct the volume that names it"),
        ("FailedMount", SECRET, "create the Secret gone, or correct the volume that names it"),
        ("FailedMount", KEY, "add the key rules.yaml to the ConfigMap, or correct the volume that names it"),
        ("FailedCreatePodSandBox", SANDBOX, ""),
        ("FailedAttachVolume", ATTACH, ""),
        ("FailedMount", SUMMARY, ""),
    ],
)
def test_the_cause_and_its_remedy(reason: str, note: str, remedy: str) -> None:
    found = start_failure("a-1", "uid", [event("BackOff", "other"), event(reason, note)])

    assert found is not None
    assert (found["pod"], found["reason"], found["time"]) == ("a-1", reason, "2026-01-01T00:00:00Z")
    assert found["message"] == note + (f": {remedy}" if remedy else "")


def test_the_latest_cause_is_reported_and_not_the_summary() -> None:
    """The kubelet adds a summary after two minutes. An Event that is repeated has the time of the repetition."""
    events = [
        event("FailedMount", SECRET, "2026-01-01T00:00:01Z"),
        event("FailedMount", CONFIG_MAP, series={"lastObservedTime": "2026-01-01T00:00:09.123456Z"}),
        event("FailedMount", SUMMARY, "2026-01-01T00:02:00Z"),
    ]

    found = start_failure("a-1", "uid", events)

    assert found is not None
    assert found["message"].startswith(CONFIG_MAP)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [event("Failed", "x")],
        [event(["FailedMount"], "x")],
        [event("FailedMount", None)],
        [{"metadata": {"name": "e"}, "unreadable": "too large"}],
        [event("FailedMount", CONFIG_MAP, reportingController="example.com/tenant")],
        [event("FailedMount", CONFIG_MAP, reportingController=None)],
        [event("FailedMount", CONFIG_MAP, reportingController="", deprecatedSource={"component": "mine"})],
        [event("FailedMount", CONFIG_MAP, reportingController=["kubelet"], deprecatedSource="kubelet")],
        [event("FailedMount", CONFIG_MAP, regarding={"kind": "Pod", "name": "a-1", "uid": "former"})],
        [event("FailedMount", CONFIG_MAP, regarding=None)],
    ],
)
def test_other_events_are_no_cause(events: list[Any]) -> None:
    assert start_failure("a-1", "uid", events) is None


@pytest.mark.parametrize(
    "reporter",
    [
        {"reportingController": "attachdetach-controller"},
        {"reportingController": "", "deprecatedSource": {"component": "kubelet", "host": "node-1"}},
    ],
)
def test_events_of_kubernetes_are_causes(reporter: dict[str, Any]) -> None:
    assert start_failure("a-1", "uid", [event("FailedMount", CONFIG_MAP, **reporter)]) is not None


def test_a_hostile_event_is_bounded_and_printable() -> None:
    found = start_failure("a-1", "uid", [event("FailedMount", "\x1b[2J" + "x" * 900_000, "y" * 900_000, series="z")])

    assert found is not None
    assert len(found["message"]) < 1_500
    assert found["message"].isprintable()
    assert len(found["time"]) == 20
