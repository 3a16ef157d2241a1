"""Reads the evidence about an agent through kubectl. A missing right becomes a gap, and no error."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from agent_operator import __version__
from agent_operator.api import constants
from agent_operator.kube import pod_failures
from agent_operator.kube.shapes import mapping, mappings, text
from agentctl.cluster import bounded, network_check
from agentctl.cluster.bounded import Output
from agentctl.cluster.evidence_sources import MOST, Source, sources
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.snapshot import children_namespace, get_agent
from agentctl.diagnosis.evidence import Evidence, Gap, condition, labels_of, name_of, spec_of
from agentctl.diagnosis.findings import Area, clipped
from agentctl.diagnosis.identity import account_name
from agentctl.diagnosis.known_values import parts_of
from agentctl.diagnosis.redaction import Redactor
from agentctl.diagnosis.secret_facts import facts_of, values_of
from agentctl.diagnosis.secret_references import MOST_SECRETS, used
from agentctl.objects import Object

_WORKERS = 6
_MOST_PODS = 8
_MOST_EVENTS = 50
_MOST_LOGS = 4
_LOG_LINES = 8
_LOG_BYTES = 8_192
_MOST_NODES = 8
_OPERATOR_NAMESPACE = "agent-operator-system"
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass
class _Found:
    """What has been read so far."""

    objects: dict[str, list[Object]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reading:
    """The evidence, and a redactor that knows the values of the Secrets that were read."""

    evidence: Evidence
    redactor: Redactor
    secrets: tuple[Object, ...]


def read(kubectl: Kubectl, name: str, *, connect: bool = True) -> Reading:
    """Read everything about an agent.

    Args:
        kubectl: access to the cluster.
        name: of the agent.
        connect: run check-network in a pod.

    Raises:
        CommandError: the agent does not exist, or cannot be read.
    """
    agent = _with_managed_fields(kubectl, get_agent(kubectl, name))
    namespace = children_namespace(agent)
    inside = kubectl.in_namespace(namespace)
    found = _Found()
    name = text(agent["metadata"].get("name"))
    _collect(inside, found, sources(agent, namespace), (name, constants.canary(name)))
    first = Evidence(now=datetime.now(UTC), agent=agent, namespace=namespace, objects=found.objects)
    _collect_operators(inside, found, first)
    _collect_named(inside, found, first)
    secrets, facts_read = _secrets(inside, found, first)
    values = [value.decode(errors="replace") for secret in secrets for _, value in values_of(secret)]
    ordinary = {"", first.name, namespace, text(agent["metadata"].get("namespace"))}
    redactor = Redactor(list(dict.fromkeys(part for it in values for part in parts_of(it) if part not in ordinary)))
    logs = _logs(inside, first, redactor)
    report, pod = network_check.run(inside, first, found.gaps) if connect else (None, "")
    evidence = Evidence(
        now=first.now,
        agent=agent,
        namespace=namespace,
        objects=found.objects,
        secrets={name: facts_of(obj) if obj else None for name, obj in facts_read.items()},
        logs=logs,
        network=report,
        network_pod=pod,
        gaps=tuple(found.gaps),
        version=__version__,
    )
    return Reading(evidence, redactor, tuple(secrets))


def _with_managed_fields(kubectl: Kubectl, agent: Object) -> Object:
    """Return the agent with metadata.managedFields, which say when its spec changed. kubectl leaves them out."""
    meta = agent["metadata"]
    path = f"/apis/{constants.API_VERSION}/namespaces/{meta['namespace']}/{constants.PLURAL}/{meta['name']}"
    output = bounded.get(kubectl, path)
    return agent if output.error else output.json() or agent


def _in_parallel(function: Callable[[_T], _R], arguments: Iterable[_T]) -> list[_R]:
    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(function, arguments))


def _collect(kubectl: Kubectl, found: _Found, wanted: Iterable[Source], own: Iterable[str] = ()) -> None:
    """Read collections. One that does not exist in this cluster is left out."""
    listed = list(wanted)
    outputs = _in_parallel(lambda it: bounded.get_all(kubectl, it.path, MOST, **it.parameters), listed)
    for source, (output, is_complete) in zip(listed, outputs, strict=True):
        if not output.error:
            found.objects[source.plural] = bounded.items_of(output.json(), source.kind)
            if not is_complete:
                _add_own(kubectl, found, source, own)
        elif not output.is_not_found:
            found.gaps.append(_gap(source.area, source.resource, output, source.remedy))
        elif source.absent:
            found.gaps.append(Gap(source.area, source.resource, "the cluster does not serve this API", source.absent))


def _add_own(kubectl: Kubectl, found: _Found, source: Source, own: Iterable[str]) -> None:
    """Read the objects of the agent by name from a collection that is too large to read."""
    items = found.objects[source.plural]
    known = {name_of(item) for item in items}
    for name in own:
        if name not in known and not (output := bounded.get(kubectl, f"{source.path}/{name}")).error:
            items.append({"kind": source.kind, **output.json()})
    remedy = "delete what is no longer needed, or look at the others with kubectl"
    found.gaps.append(Gap(source.area, source.resource, f"only {len(items)} were read: there are more", remedy))


def _gap(area: Area, what: str, output: Output, remedy: str) -> Gap:
    is_forbidden = "(Forbidden)" in output.error
    return Gap(area, what, clipped(output.error), remedy if is_forbidden else "try again; see the error")


def _collect_operators(kubectl: Kubectl, found: _Found, evidence: Evidence) -> None:
    """Read the Deployments of the operator, in the namespaces of its pods, or where it usually is."""
    pods = evidence.of("operatorpods")
    namespaces = {text(mapping(pod.get("metadata")).get("namespace")) for pod in pods}
    namespaces |= {text(mapping(lease.get("metadata")).get("namespace")) for lease in evidence.of("leases")}
    names = list(islice(sorted(filter(bounded.is_name, namespaces)), 4))
    root, resource = "/apis/apps/v1/namespaces", "" if names else "deployments.apps"
    wanted = [
        Source(it, "Deployment", f"{root}/{it}/deployments", Area.OPERATOR, resource, it)
        for it in names or [_OPERATOR_NAMESPACE]
    ]
    read_now = _Found()
    _collect(kubectl, read_now, wanted)
    if read_now.objects:
        every = [item for items in read_now.objects.values() for item in items]
        found.objects["operators"] = [item for item in every if _is_operator(item)]
    elif not any(gap.area is Area.OPERATOR for gap in found.gaps):
        found.gaps += read_now.gaps


def _is_operator(deployment: Mapping[str, Any]) -> bool:
    labels = labels_of(mapping(spec_of(deployment).get("template")))
    return labels.get(constants.LABEL_NAME) == constants.MANAGER


def _collect_named(kubectl: Kubectl, found: _Found, evidence: Evidence) -> None:
    """Read the ServiceAccount, the nodes, and the Events of pods that are not ready."""
    core, namespace = "/api/v1", evidence.namespace
    account = account_name(evidence)
    nodes = sorted({text(spec_of(pod).get("nodeName")) for pod in evidence.pods()})[:_MOST_NODES]
    unready = [pod for pod in evidence.pods() if condition(pod, "Ready").get("status") != "True"][:_MOST_PODS]
    _named(kubectl, found, "serviceaccounts", f"{core}/namespaces/{namespace}/serviceaccounts", [account])
    _named(kubectl, found, "nodes", f"{core}/nodes", [node for node in nodes if node])
    path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
    selectors = [f"regarding.kind=Pod,regarding.name={name_of(pod)},type=Warning" for pod in unready]
    outputs = _in_parallel(lambda it: bounded.get(kubectl, path, limit=_MOST_EVENTS, fieldSelector=it), selectors)
    for output in outputs:
        if output.error:
            remedy = f"ask for the right: `kubectl auth can-i list events.events.k8s.io -n {namespace}` must answer yes"
            found.gaps.append(_gap(Area.PODS, "events.events.k8s.io", output, remedy))
            break
        found.objects.setdefault("events", []).extend(bounded.items_of(output.json(), "Event"))


def _named(kubectl: Kubectl, found: _Found, plural: str, path: str, names: list[str]) -> None:
    safe = [name for name in names if bounded.is_name(name)]
    outputs = _in_parallel(lambda name: bounded.get(kubectl, f"{path}/{name}"), safe)
    failed = next((output for output in outputs if output.error and not output.is_not_found), None)
    if failed is not None:
        area = Area.IDENTITY if plural == "serviceaccounts" else Area.RESOURCES
        remedy = f"ask for the right: `kubectl auth can-i get {plural}` must answer yes"
        found.gaps.append(_gap(area, plural, failed, remedy))
    elif safe:
        found.objects[plural] = [output.json() for output in outputs if not output.error]


def _secrets(kubectl: Kubectl, found: _Found, evidence: Evidence) -> tuple[list[Object], Mapping[str, Object | None]]:
    """Read the Secrets of the agent; an absent name could not be read, and None does not exist."""
    references = used(evidence.agent, evidence.deployments())
    certificates = [
        text(entry.get("secretName"))
        for ingress in evidence.of("ingresses")
        if name_of(ingress) == evidence.name
        for entry in mappings(spec_of(ingress).get("tls"))
    ]
    names = dict.fromkeys([*(reference.name for reference in references), *certificates])
    safe = [name for name in islice(names, MOST_SECRETS) if bounded.is_name(name)]
    path = f"/api/v1/namespaces/{evidence.namespace}/secrets"
    outputs = dict(zip(safe, _in_parallel(lambda name: bounded.get(kubectl, f"{path}/{name}"), safe), strict=True))
    read_secrets: dict[str, Object | None] = {}
    for name, output in outputs.items():
        if not output.error:
            read_secrets[name] = output.json()
        elif output.is_not_found:
            read_secrets[name] = None
    failed = next((it for it in outputs.values() if it.error and not it.is_not_found), None)
    if failed is not None:
        remedy = (
            f"only whoever may read Secrets can check their values: `kubectl auth can-i get secrets -n "
            f"{evidence.namespace}`"
        )
        found.gaps.append(_gap(Area.SECRETS, "secrets", failed, remedy))
    return [secret for secret in read_secrets.values() if secret], read_secrets


def _logs(kubectl: Kubectl, evidence: Evidence, redactor: Redactor) -> dict[tuple[str, str], str]:
    """Read the end of the logs of containers that have crashed."""
    crashed = list(islice(_crashed(evidence), _MOST_LOGS))

    def tail(container: tuple[str, str]) -> str:
        pod, name = container
        arguments = (pod, f"--container={name}", f"--tail={_LOG_LINES}")
        before = bounded.end_of_log(kubectl, *arguments, "--previous", largest=_LOG_BYTES)
        output = before if not before.error else bounded.end_of_log(kubectl, *arguments, largest=_LOG_BYTES)
        return clipped(redactor.text(output.content.decode(errors="replace"))) if not output.error else ""

    return dict(zip(crashed, _in_parallel(tail, crashed), strict=True))


def _crashed(evidence: Evidence) -> Iterator[tuple[str, str]]:
    for pod in evidence.pods():
        failure = pod_failures.of_pod(pod) if name_of(pod) else None
        if failure and "exitCode" in failure and bounded.is_name(text(failure.get("container"))):
            yield name_of(pod), text(failure["container"])
