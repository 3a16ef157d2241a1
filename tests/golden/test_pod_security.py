"""Pods meet the Pod Security Standard `restricted`, by an evaluator of its rules."""

from collections.abc import Callable
from typing import Any

import pytest

from agent_operator.render import Rendered

Violations = Callable[[dict[str, Any]], list[str]]


@pytest.fixture
def pod(by_kind: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = by_kind["Deployment"]["spec"]["template"]["spec"]
    return spec


def test_pods_meet_restricted(pod: dict[str, Any], violations: Violations) -> None:
    assert violations(pod) == []


def test_pods_are_harder_than_restricted(pod: dict[str, Any]) -> None:
    """A read-only root with a writable /tmp, no token, no service links, a user and group of their own."""
    container = next(container for container in pod["containers"] if container["name"] == "agent")
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
    assert all(mount.get("readOnly") for mount in container["volumeMounts"] if mount["name"] != "tmp")
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["runAsGroup"] == 1000
    assert "command" not in container
    assert not any("subPath" in mount for mount in container["volumeMounts"])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"hostNetwork": True}, "hostNetwork"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "volume v"),
        ({"securityContext": {}}, "runAsNonRoot"),
        ({"containers": [{"name": "c"}]}, "drop ALL"),
        ({"containers": [{"name": "c", "securityContext": {"privileged": True}}]}, "privileged"),
    ],
)
def test_the_evaluator_finds_what_is_forbidden(
    rendered_minimal: Rendered, violations: Violations, change: dict[str, Any], found: str
) -> None:
    deployment = next(m for m in rendered_minimal.manifests if m["kind"] == "Deployment")
    assert found in violations(deployment["spec"]["template"]["spec"] | change)
