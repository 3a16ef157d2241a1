"""Pods meet the Pod Security Standard `restricted`, by an evaluator of its rules."""

from typing import Any

import pytest

from agent_operator.render import Rendered
from tests.pod_security import CHECKS, violations
from tests.pod_security_cases import ALLOWED, FORBIDDEN

Object = dict[str, Any]


@pytest.fixture
def template(by_kind: Object) -> Object:
    found: Object = by_kind["Deployment"]["spec"]["template"]
    return found


def test_pods_meet_the_restricted_level(template: Object) -> None:
    assert violations(template) == []


def test_pods_are_stricter_than_the_restricted_level(case: str, template: Object) -> None:
    """A read-only root with a writable /tmp, no token, no service links, a user and group of their own."""
    pod = template["spec"]
    container = next(container for container in pod["containers"] if container["name"] == "agent")
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
    assert all(mount.get("readOnly") for mount in container["volumeMounts"] if mount["name"] != "tmp")
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    if case != "assigned-user":
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["runAsGroup"] == 1000
    assert "command" not in container
    assert not any("subPath" in mount for mount in container["volumeMounts"])


@pytest.mark.parametrize(("check", "given"), FORBIDDEN)
def test_the_evaluator_finds_exactly_the_forbidden_fields(check: str, given: Object) -> None:
    assert {found.partition(":")[0] for found in violations(given)} == {check}


@pytest.mark.parametrize("given", ALLOWED)
def test_the_evaluator_accepts_allowed_fields(given: Object) -> None:
    assert violations(given) == []


def test_every_check_of_the_evaluator_has_a_case() -> None:
    assert {check for check, _ in FORBIDDEN} == {check.__name__ for check in CHECKS}


def test_the_evaluator_reads_whole_templates(rendered_minimal: Rendered) -> None:
    deployment = next(m for m in rendered_minimal.manifests if m["kind"] == "Deployment")
    template = deployment["spec"]["template"]
    assert violations({**template, "spec": template["spec"] | {"securityContext": {}}})
