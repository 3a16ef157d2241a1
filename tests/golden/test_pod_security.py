"""Pods meet the Pod Security Standard `restricted`, by an evaluator of its rules."""

from typing import Any

import pytest

from agent_operator.render import Rendered

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def violations(pod: dict[str, Any]) -> list[str]:
    """Return what `restricted` of the Pod Security Standards forbids in a pod's spec."""
    context = pod.get("securityContext", {})
    found = [field for field in ("hostNetwork", "hostPID", "hostIPC") if pod.get(field)]
    found += [f"volume {v['name']}" for v in pod.get("volumes", []) if not VOLUMES & set(v)]
    found += ["pod runs as root"] if context.get("runAsUser") == 0 else []
    found += ["sysctls"] if context.get("sysctls") else []
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        found += _of_container(container, context)
    return found


def _of_container(container: dict[str, Any], pod: dict[str, Any]) -> list[str]:
    own = container.get("securityContext", {})
    capabilities = own.get("capabilities", {})
    seccomp = own.get("seccompProfile", pod.get("seccompProfile", {})).get("type")
    checks = {
        "privileged": not own.get("privileged"),
        "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
        "drop ALL": "ALL" in capabilities.get("drop", []),
        "added capabilities": set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
        "runAsNonRoot": own.get("runAsNonRoot", pod.get("runAsNonRoot")) is True,
        "runAsUser": own.get("runAsUser") != 0,
        "seccomp": seccomp in {"RuntimeDefault", "Localhost"},
        "hostPort": not any(port.get("hostPort") for port in container.get("ports", [])),
        "procMount": own.get("procMount", "Default") == "Default",
        "windows host process": not own.get("windowsOptions", {}).get("hostProcess"),
    }
    return [name for name, fine in checks.items() if not fine]


@pytest.fixture
def pod(by_kind: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = by_kind["Deployment"]["spec"]["template"]["spec"]
    return spec


def test_pods_meet_restricted(pod: dict[str, Any]) -> None:
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
def test_the_evaluator_finds_what_is_forbidden(rendered_minimal: Rendered, change: dict[str, Any], found: str) -> None:
    deployment = next(m for m in rendered_minimal.manifests if m["kind"] == "Deployment")
    assert found in violations(deployment["spec"]["template"]["spec"] | change)
