"""Reads what a support bundle contains in addition to the evidence of `agentctl doctor`: logs and further objects."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from agent_operator.api import constants
from agent_operator.kube.shapes import mapping, mappings, number, text
from agentctl.cluster import bounded
from agentctl.cluster.kubectl import Kubectl
from agentctl.diagnosis.bundle import LARGEST_FILE, Log
from agentctl.diagnosis.evidence import Evidence, containers_of, name_of, spec_of, status_of
from agentctl.objects import Object

_MOST_LOGS = 40
_LINES = 5_000
_MOST = 200
# Path of a file, path of the API, kind, and whether only objects of the agent are read.
_COLLECTIONS = (
    ("objects/replicasets.yaml", "/apis/apps/v1", "replicasets", "ReplicaSet", True),
    ("objects/controllerrevisions.yaml", "/apis/apps/v1", "controllerrevisions", "ControllerRevision", True),
    ("objects/configmaps.yaml", "/api/v1", "configmaps", "ConfigMap", True),
    ("objects/jobs.yaml", "/apis/batch/v1", "jobs", "Job", True),
    ("objects/limitranges.yaml", "/api/v1", "limitranges", "LimitRange", False),
    ("events.yaml", "/apis/events.k8s.io/v1", "events", "Event", False),
)


def collections(kubectl: Kubectl, evidence: Evidence) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Return the objects by the paths of their files. What cannot be read is left out: doctor.json lists it."""
    found: dict[str, Sequence[Mapping[str, Any]]] = {"agent.yaml": [evidence.agent]}
    for plural in sorted(evidence.objects):
        folder = "operator" if plural.startswith("operator") or plural == "leases" else "objects"
        if evidence.of(plural) and plural != "events":
            found[f"{folder}/{plural}.yaml"] = evidence.of(plural)
    inside = kubectl.in_namespace(evidence.namespace)
    for path, root, plural, kind, is_own in _COLLECTIONS:
        parameters = {"labelSelector": f"{constants.LABEL_AGENT}={evidence.name}"} if is_own else {}
        url = f"{root}/namespaces/{evidence.namespace}/{plural}"
        items = bounded.items_of(bounded.get(inside, url, limit=_MOST, **parameters).json(), kind)
        if items:
            found[path] = items
    return found


def logs(kubectl: Kubectl, evidence: Evidence) -> list[Log]:
    """Return the ends of the logs of all containers, those of crashed ones, and those of the operator."""
    wanted = list(islice(_containers(evidence), _MOST_LOGS))
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda it: _log(kubectl, *it), wanted)
    return [log for log in found if log.text]


def versions(kubectl: Kubectl) -> Object:
    """Return what `kubectl version` reports."""
    return bounded.run(kubectl, "version", "--output=json").json()


def _containers(evidence: Evidence) -> Iterator[tuple[str, str, str, str, bool]]:
    """Yield folder, namespace, pod, container, and whether to read the log of its previous run."""
    for pod in evidence.pods():
        restarts = {text(it.get("name")): number(it.get("restartCount")) for it in _statuses(pod)}
        for container in containers_of(spec_of(pod)):
            name = text(container.get("name"))
            yield "logs", evidence.namespace, name_of(pod), name, False
            if restarts.get(name):
                yield "logs", evidence.namespace, name_of(pod), name, True
    for pod in evidence.of("operatorpods"):
        namespace = text(mapping(pod.get("metadata")).get("namespace"))
        for container in containers_of(spec_of(pod)):
            yield f"operator/{namespace}", namespace, name_of(pod), text(container.get("name")), False


def _statuses(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    status = status_of(pod)
    return [*mappings(status.get("initContainerStatuses")), *mappings(status.get("containerStatuses"))]


def _log(kubectl: Kubectl, folder: str, namespace: str, pod: str, container: str, previous: bool) -> Log:
    path = f"{folder}/{pod}/{container}{'.previous' if previous else ''}.log"
    if not all(bounded.is_name(name) for name in (namespace, pod, container)):
        return Log(path, "")
    options = [f"--container={container}", f"--tail={_LINES}", "--timestamps"]
    options += ["--previous"] if previous else []
    output = bounded.end_of_log(kubectl.in_namespace(namespace), pod, *options, largest=LARGEST_FILE)
    return Log(path, output.content.decode(errors="replace"))
