"""spec.runtime, identity, resources, probes, scheduling and dns from a pod template."""

from collections.abc import Mapping
from typing import Any

from agent_operator.api import constants
from agent_operator.inputs.agent_inputs import Platform
from agent_operator.inputs.container_defaults import DEFAULT_PROBES, HANDLERS
from agentctl.conversion.exposure import port_numbers
from agentctl.conversion.findings import changed
from agentctl.conversion.parts import Part, joined, present
from agentctl.conversion.workload import AGENT_FIELD, Workload, selects
from agentctl.objects import Object, nested_field

_PROBE_DEFAULTS: Object = {
    "initialDelaySeconds": 0,
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
}
_IMAGE = (
    "the operator starts it with the arguments of agent-runtime: remove spec.runtime.image to run the runtime of the "
    "operator, or use an image that is built on it"
)


def pods(workload: Workload) -> Part:
    """Return runtime, resources, probes, scheduling and dns."""
    container, pod = workload.container, workload.pod
    dns = present({"policy": pod.get("dnsPolicy"), "options": nested_field(pod, "dnsConfig", "options")})
    spec = present(
        {
            "resources": _resources(container.get("resources") or {}),
            "probes": _probes(workload),
            "scheduling": _scheduling(workload),
            "isolation": present({"runtimeClassName": pod.get("runtimeClassName")}),
            "dns": dns if dns.get("policy") != "None" else {},
        }
    )
    return joined((_runtime(workload), Part(spec)))


def _runtime(workload: Workload) -> Part:
    container = workload.container
    image = str(container.get("image", ""))
    repository, tag = _repository(image)
    policy = container.get("imagePullPolicy")
    if policy is None and tag in ("", "latest") and "@" not in image:
        policy = "Always"
    bundled = repository == Platform().runtime_image and tag
    runtime = {"version": tag} if bundled else {"image": image}
    runtime |= present({"imagePullPolicy": policy, "imagePullSecrets": _pull_secrets(workload)})
    is_runtime = repository.rpartition("/")[2] == constants.APPLICATION
    if is_runtime or container.get("args") or container.get("command"):
        return Part({"runtime": runtime})
    position = f"spec.template.spec.containers[{workload.index}].image"
    return Part({"runtime": runtime}, (changed(workload.deployment, f"{AGENT_FIELD}.image", _IMAGE, position),))


def _repository(image: str) -> tuple[str, str]:
    """Return repository and tag of an image; no tag if it has a digest."""
    if "@" in image or ":" not in image.rpartition("/")[2]:
        return image.partition("@")[0], ""
    repository, _, tag = image.rpartition(":")
    return repository, tag


def _pull_secrets(workload: Workload) -> list[Object] | None:
    account = workload.find("ServiceAccount", workload.pod.get("serviceAccountName"))
    secrets = [
        *(workload.pod.get("imagePullSecrets") or ()),
        *((account and account.body.get("imagePullSecrets")) or ()),
    ]
    return [secret for number, secret in enumerate(secrets) if secret not in secrets[:number]] or None


def _resources(given: Mapping[str, Any]) -> Object:
    """Return requests and limits. Kubernetes requests the limit of a resource that has no request."""
    limits, requests = given.get("limits") or {}, given.get("requests") or {}
    return present({"requests": limits | requests, "limits": limits})


def _probes(workload: Workload) -> Object:
    found = {kind: workload.container.get(f"{kind}Probe") for kind in DEFAULT_PROBES}
    return {kind: _probe(workload, kind, probe) for kind, probe in found.items() if probe}


def _probe(workload: Workload, kind: str, probe: Object) -> Object:
    """Return a probe in full. Fields that equal the default of the operator are removed later."""
    whole = _PROBE_DEFAULTS | probe
    if kind == "startup":
        whole.pop("successThreshold")
    http = probe.get("httpGet")
    if http is None:
        return whole if any(handler in probe for handler in HANDLERS) else _PROBE_DEFAULTS | probe
    port = "http" if http.get("port") in port_numbers(workload, "http") else http.get("port")
    return whole | {"httpGet": http | {"path": http.get("path", "/"), "port": port}}


def _scheduling(workload: Workload) -> Object:
    pod = workload.pod
    spread = [_own_selector(workload, item) for item in pod.get("topologySpreadConstraints") or ()]
    affinity = own_affinity(workload, pod.get("affinity") or {})
    return present(
        {
            "topologySpreadConstraints": spread or None,
            "affinity": affinity,
            "nodeSelector": pod.get("nodeSelector"),
            "tolerations": pod.get("tolerations"),
            "priorityClassName": pod.get("priorityClassName"),
        }
    )


def _own_selector(workload: Workload, constraint: Object) -> Object:
    """Remove a selector of the agent's own pods: the operator adds one."""
    if not constraint.get("labelSelector") or not is_own(workload, constraint["labelSelector"]):
        return constraint
    return {key: value for key, value in constraint.items() if key != "labelSelector"}


def is_own(workload: Workload, selector: Object) -> bool:
    """Report whether a selector selects the pods of the Deployment by labels that the operator changes."""
    return bool(selector) and selects(selector, workload.labels)


def own_affinity(workload: Workload, value: Any, field: str = "") -> Any:
    """Replace selectors of the agent's own pods."""
    if isinstance(value, list):
        return [own_affinity(workload, item) for item in value]
    if not isinstance(value, dict):
        return value
    if field == "labelSelector" and is_own(workload, value):
        return {"matchLabels": {constants.LABEL_APP: workload.name}}
    return {key: own_affinity(workload, item, key) for key, item in value.items()}
