"""Runs `agent-runtime check-network` in a pod of an agent."""

import itertools
from collections.abc import Mapping
from typing import Any

from agent_operator.api import constants
from agent_operator.kube.shapes import mapping, mappings, text
from agentctl.cluster import bounded
from agentctl.cluster.kubectl import Kubectl
from agentctl.diagnosis.evidence import Evidence, Gap, condition, name_of, spec_of, status_of
from agentctl.diagnosis.findings import Area, clipped

# Seconds for all servers, and then for kubectl and the start of the program.
_CHECK = 25
_SECONDS = 45.0
_LARGEST = 1 << 20
_OLD = (
    "invalid choice",
    "unrecognized",
    "executable file not found",
    "no such file or directory",
    "not found in $PATH",
)


def run(kubectl: Kubectl, evidence: Evidence, gaps: list[Gap]) -> tuple[Mapping[str, Any] | None, str]:
    """Return the report, and the pod in which the check ran; without a report, add a gap with the reason."""
    running = [pod for pod in evidence.pods() if _runs(pod) and name_of(pod)]
    # One that is not ready shows why.
    pods = sorted(running, key=lambda pod: condition(pod, "Ready").get("status") == "True")
    if not pods:
        if evidence.has("pods"):
            error = "no pod of the agent runs"
            gaps.append(Gap(Area.NETWORK, "connections of the pods", error, "solve the findings about pods first"))
        return None, ""
    pod = pods[0]
    command = ("agent-runtime", "check-network", "-o", "json", "--timeout", str(_CHECK), "--config", config_path(pod))
    arguments = ("exec", name_of(pod), f"--container={constants.CONTAINER}", "--", *command)
    output = bounded.run(kubectl, *arguments, largest=_LARGEST, seconds=_SECONDS)
    report = output.json()
    if "endpoints" in report:
        return report, name_of(pod)
    shown = clipped(output.error or "the command wrote no report")
    gaps.append(Gap(Area.NETWORK, f"connections of pod {name_of(pod)}", shown, _remedy(evidence, shown)))
    return None, ""


def config_path(pod: Mapping[str, Any]) -> str:
    """Return the path of agent.toml in a pod."""
    for container in mappings(spec_of(pod).get("containers")):
        arguments = container.get("args")
        words = arguments if isinstance(arguments, list) else []
        for word, following in itertools.pairwise(words):
            if container.get("name") == constants.CONTAINER and word == "--config" and isinstance(following, str):
                return following
    return f"{constants.CONFIG_DIRECTORY}/agent.toml"


def _runs(pod: Mapping[str, Any]) -> bool:
    for container in mappings(status_of(pod).get("containerStatuses")):
        if container.get("name") == constants.CONTAINER:
            return isinstance(mapping(container.get("state")).get("running"), dict)
    return False


def _remedy(evidence: Evidence, error: str) -> str:
    if "forbidden" in error.lower():
        return f"ask for the right: `kubectl auth can-i create pods/exec -n {evidence.namespace}` must answer yes"
    if any(words in error for words in _OLD):
        return "upgrade spec.runtime.version: the image of the pods has no `agent-runtime check-network`"
    text_of_version = text(evidence.status.get("runtimeVersion"))
    return f"try again; the runtime of the pods is {text_of_version or 'unknown'}"
