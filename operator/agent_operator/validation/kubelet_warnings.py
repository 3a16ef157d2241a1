"""Warnings about values that the API server accepts, but with which the kubelet cannot start or probe a pod."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agent_operator.api.constants import CONTAINER
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.shapes import mapping, mappings, text

_OWN_PORTS = frozenset({"http", "metrics"})
_PROBES = {"startup": "startupProbe", "readiness": "readinessProbe", "liveness": "livenessProbe"}


def media_are_known(inputs: Inputs) -> Iterator[Problem]:
    """A pod with an emptyDir of another medium stays in ContainerCreating."""
    pod = mapping((inputs.spec.pod_template or {}).get("spec"))
    for index, volume in enumerate(mappings(pod.get("volumes"))):
        medium = text(mapping(volume.get("emptyDir")).get("medium"))
        if medium not in ("", "Memory", "HugePages") and not medium.startswith("HugePages-"):
            field = f"spec.podTemplate.spec.volumes[{index}].emptyDir.medium"
            message = f"the kubelet knows no medium {medium!r}: use Memory, HugePages-SIZE, or leave it out"
            yield Problem(SpecReason.POD_CANNOT_START, field, message)


def probe_ports_are_named(inputs: Inputs) -> Iterator[Problem]:
    """A probe of a port name that its container does not have always fails."""
    pod = mapping((inputs.spec.pod_template or {}).get("spec"))
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(mappings(pod.get(kind))):
            own = _OWN_PORTS if container.get("name") == CONTAINER else frozenset()
            ports = own | {text(port.get("name")) for port in mappings(container.get("ports"))}
            path = f"spec.podTemplate.spec.{kind}[{index}]"
            yield from _unnamed(container, path, ports, _PROBES.values())


def agent_probe_ports_are_named(inputs: Inputs) -> Iterator[Problem]:
    """As probe_ports_are_named, for spec.probes."""
    pod = mapping((inputs.spec.pod_template or {}).get("spec"))
    agent = next((it for it in mappings(pod.get("containers")) if it.get("name") == CONTAINER), {})
    ports = _OWN_PORTS | {text(port.get("name")) for port in mappings(agent.get("ports"))}
    if inputs.spec.probes is not None:
        given = inputs.spec.probes.model_dump(by_alias=True, exclude_none=True)
        yield from _unnamed(given, "spec.probes", ports, _PROBES)


def _unnamed(
    container: Mapping[str, Any], path: str, ports: frozenset[str], probes: Iterable[str]
) -> Iterator[Problem]:
    for name in probes:
        for action in ("httpGet", "tcpSocket"):
            port = mapping(mapping(container.get(name)).get(action)).get("port")
            if isinstance(port, str) and port not in ports:
                known = ", ".join(sorted(ports - {""})) or "none"
                message = f"the container has no port named {port!r} (named ports: {known}): use one, or a number"
                yield Problem(SpecReason.POD_CANNOT_START, f"{path}.{name}.{action}.port", message)
