"""Options of the whole suite."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# pytest --hypothesis-profile=thorough: takes some minutes, so not for every run.
settings.register_profile("thorough", max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kubeconfig",
        default=None,
        help="run what needs an API server against this cluster; default: the local cluster, started for the tests",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what asks who may do what: on the local cluster everybody may do everything."""
    if config.getoption("--kubeconfig"):
        return
    left_out = [item for item in items if item.get_closest_marker("authorization")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def _violations(pod: dict[str, Any]) -> list[str]:
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
        "host of a probe": not any(
            probe.get(kind, {}).get("host")
            for probe in (container.get(name, {}) for name in ("startupProbe", "readinessProbe", "livenessProbe"))
            for kind in ("httpGet", "tcpSocket")
        ),
        "windows host process": not own.get("windowsOptions", {}).get("hostProcess"),
    }
    return [name for name, fine in checks.items() if not fine]


@pytest.fixture(scope="session")
def violations() -> Callable[[dict[str, Any]], list[str]]:
    """An evaluator of the Pod Security Standard `restricted`, written apart from the operator's own rules."""
    return _violations
