"""Cells of tables and the JSONPath of printer columns."""

from datetime import timedelta
from typing import Any

import pytest

from localkube import clock
from localkube.apiserver.http.tables import cells, jsonpath, pods
from localkube.apiserver.http.tables.columns import described


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (5, "5s"),
        (119, "119s"),
        (130, "2m10s"),
        (240, "4m"),
        (3600, "60m"),
        (4 * 3600, "4h"),
        (5 * 3600 + 120, "5h2m"),
        (30 * 3600, "30h"),
        (3 * 86400 + 7200, "3d2h"),
        (100 * 86400, "100d"),
        (800 * 86400, "2y70d"),
    ],
)
def test_durations_are_formatted_like_in_kubectl(seconds: int, shown: str) -> None:
    assert cells.duration(seconds) == shown


def test_the_age_without_a_time_is_unknown() -> None:
    assert cells.age(None) == "<unknown>"
    assert cells.age(clock.timestamp(clock.now() - timedelta(minutes=4))) in ("4m", "4m1s")


OBJECT = {
    "spec": {"size": 3, "a.b": "dotted"},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.size", [3]),
        ("$.spec.size", [3]),
        (".spec['a.b']", ["dotted"]),
        (".spec.a\\.b", ["dotted"]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[*].type", ["Ready", "Other"]),
        (".status.conditions[-1].type", ["Other"]),
        (".status.absent", []),
        (".status.conditions[9].type", []),
    ],
)
def test_json_paths_of_columns(path: str, found: list[Any]) -> None:
    assert jsonpath.find(OBJECT, path) == found


def pod(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c"}]},
        "status": {"phase": "Running", **status},
    }


@pytest.mark.parametrize(
    ("obj", "shown"),
    [
        (pod(), "Running"),
        (pod(containerStatuses=[{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]), "CrashLoopBackOff"),
        (pod(containerStatuses=[{"state": {"terminated": {"exitCode": 3}}}]), "ExitCode:3"),
        (pod(containerStatuses=[{"state": {"terminated": {"reason": "Completed"}}}]), "Completed"),
        (pod(initContainerStatuses=[{"state": {"waiting": {"reason": "Error"}}}]), "Init:Error"),
        ({**pod(), "metadata": {"name": "p", "deletionTimestamp": "now"}}, "Terminating"),
    ],
)
def test_the_status_of_a_pod_is_its_phase_or_a_container_reason(obj: dict[str, Any], shown: str) -> None:
    assert pods.row(obj)[2] == shown


def test_a_column_has_the_description_of_its_field() -> None:
    assert described("Service.spec.type").startswith("type determines how the Service is exposed")
    assert described("Service.spec.absent") == ""
