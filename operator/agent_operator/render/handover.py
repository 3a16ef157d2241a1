"""How an agent takes over the traffic of a Deployment and its Services without losing a request. Pure.

While a Deployment is replaced, its former pods and the new ones serve side by side. At each moment, each Service must
select pods that are ready, so the Service of the agent is adopted either before the pods change or after.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.kube.objects import Ref, ref

Manifest = Mapping[str, Any]

# What leads callers to the pods. These refer to ports of the Service by name, so they change together with it.
ENTRIES = frozenset({"Service", "Ingress", "HTTPRoute", "ServiceMonitor"})


class Method(StrEnum):
    """How the Deployment of the agent comes into being."""

    CREATE = "Create"
    """Nothing has its name."""
    UPDATE = "Update"
    """It has the selector of the agent, so a rolling update replaces its pods."""
    REPLACE = "Replace"
    """Its selector is immutable and differs, or an apply would keep parts of its pods that no field manager owns. It is
    deleted without its ReplicaSets, which the new one then adopts."""


@dataclass(frozen=True, slots=True)
class Handover:
    """The plan of an adoption.

    Attributes:
        method: what becomes of the Deployment.
        deferred: whether Service, Ingress and the like are left as they are until the new pods serve.
        problems: why the adoption would lose requests. If there are any, nothing is adopted.
    """

    method: Method = Method.CREATE
    deferred: bool = False
    problems: tuple[Problem, ...] = ()


def plan(
    desired: Mapping[str, Manifest],
    deployment: Manifest | None,
    service: Manifest | None,
    others: Iterable[Manifest],
    *,
    is_tracked: bool = True,
) -> Handover:
    """Decide how to adopt a Deployment and a Service.

    Args:
        desired: the manifests of the agent by kind, with Deployment and Service.
        deployment: the Deployment of others with the name of the agent; None if there is none.
        service: the Service of others with the name of the agent; None if there is none.
        others: all Services of the namespace.
        is_tracked: whether the Deployment can be updated, because field managers account for its pod template.
    """
    if deployment is None:
        # The pods behind the Service are unknown. It keeps them until the pods of the agent serve.
        return Handover(deferred=service is not None)
    before, after = deployment["spec"]["template"], desired["Deployment"]["spec"]["template"]
    is_same = deployment["spec"]["selector"] == desired["Deployment"]["spec"]["selector"]
    method = Method.UPDATE if is_same and is_tracked else Method.REPLACE
    problems = list(_unmatched(deployment, desired["Deployment"])) if method is Method.REPLACE else []
    deferred = service is not None and not _reaches(desired["Service"], before)
    for other in others:
        is_adopted_first = service is not None and other["metadata"]["name"] == service["metadata"]["name"]
        if is_adopted_first and not deferred:
            continue
        if _reaches(other, before) and not _reaches(other, after):
            problems.append(_loses(ref("Service", other), after))
    return Handover(method, deferred, tuple(problems))


def _unmatched(live: Manifest, desired: Manifest) -> Iterator[Problem]:
    """Yield why the new Deployment could not adopt the ReplicaSets of the former one."""
    wanted = desired["spec"]["selector"]["matchLabels"]
    if _selects(wanted, live["spec"]["template"]):
        return
    labels = ", ".join(f"{key}={value}" for key, value in wanted.items())
    message = (
        f"{ref('Deployment', live)} cannot be adopted, because its selector differs and its pods lack the label "
        f"{labels}: add the label to its spec.template, or let the agent run next to it under another name"
    )
    yield Problem(Reason.CONFLICT, "", message)


def _loses(target: Ref, after: Manifest) -> Problem:
    labels = {
        key: value
        for key, value in (after["metadata"].get("labels") or {}).items()
        if not key.startswith(f"{constants.GROUP}/")
    }
    text = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
    message = (
        f"{target} would lose its pods, because it does not match the labels or the port names of the agent's pods, "
        f"which have the labels {text} and the ports http ({constants.HTTP_PORT}) and metrics "
        f"({constants.METRICS_PORT}): change the Service, or add its labels to spec.podTemplate.metadata.labels"
    )
    return Problem(Reason.CONFLICT, "", message)


def _reaches(service: Manifest, template: Manifest) -> bool:
    """Return whether a Service selects the pods of a template, and every port of it is one of theirs."""
    spec = service.get("spec") or {}
    if not spec.get("selector") or not _selects(spec["selector"], template):
        return False
    containers = template["spec"].get("containers") or ()
    named = {port.get("name") for container in containers for port in container.get("ports") or ()}
    targets = [port.get("targetPort", port.get("port")) for port in spec.get("ports") or ()]
    # Whether a container listens on a number is not in its template.
    return all(isinstance(target, int) or target in named for target in targets)


def _selects(selector: Mapping[str, Any], template: Manifest) -> bool:
    labels = (template.get("metadata") or {}).get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())
