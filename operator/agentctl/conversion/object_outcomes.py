"""What becomes of each object of the input: replaced by an object of the operator, or unchanged."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from agentctl.conversion.findings import Finding, ObjectFinding, ObjectOutcome, lost
from agentctl.conversion.manifests import Manifest
from agentctl.conversion.parts import Part
from agentctl.conversion.workload import Workload, selects
from agentctl.objects import Object, nested_field

_SELECTORS: Mapping[str, tuple[str, ...]] = {
    "Service": ("spec", "selector"),
    "NetworkPolicy": ("spec", "podSelector"),
    "PodDisruptionBudget": ("spec", "selector"),
    "PodMonitor": ("spec", "selector"),
}
_REFERENCED = frozenset({"ConfigMap", "Secret", "PersistentVolumeClaim", "SecretProviderClass"})


def object_findings(
    workload: Workload, part: Part, manifests: Sequence[Object]
) -> tuple[tuple[ObjectFinding, ...], tuple[Finding, ...]]:
    """Return what becomes of the objects, and findings about objects that stay but no longer select the pods."""
    replaced = (workload.deployment, *part.replaced)
    found = [_replaced(source, manifests) for source in replaced]
    stays = dict(part.stays)
    stays |= dict(_others(workload, {*replaced, *stays}))
    found += [ObjectFinding(source.title, ObjectOutcome.STAYS, why) for source, why in stays.items()]
    return tuple(found), tuple(_unselected(workload, stays, manifests))


def created(found: Iterable[ObjectFinding], manifests: Iterable[Object]) -> tuple[str, ...]:
    """Return the objects of the operator that replace no object of the input."""
    titles = [f"{item['kind']}/{item['metadata']['name']}" for item in manifests]
    taken = {item.detail for item in found if item.outcome is ObjectOutcome.REPLACED}
    return tuple(title for title in titles if title not in taken)


def _replaced(source: Manifest, manifests: Iterable[Object]) -> ObjectFinding:
    target = next((item for item in manifests if item["kind"] == source.kind), None)
    if target is None:
        return ObjectFinding(source.title, ObjectOutcome.REPLACED, "a field of the AgentDeployment")
    name = target["metadata"]["name"]
    return ObjectFinding(source.title, ObjectOutcome.REPLACED, f"{source.kind}/{name}", same_name=name == source.name)


def _others(workload: Workload, known: set[Manifest]) -> Iterator[tuple[Manifest, str]]:
    for item in workload.others:
        if item in known:
            continue
        if item.kind == "Namespace" and item.name == workload.namespace:
            yield item, "the AgentDeployment is in it"
        elif item.kind == "SecretStore" and _is_used(workload, item, known):
            yield item, "the ExternalSecret uses it"
        elif item.kind in _REFERENCED and _mentions(workload.pod, item.name):
            yield item, "the pods use it"
        elif item.kind.endswith("RoleBinding") and _mentions(item.body.get("subjects"), _account(workload)):
            yield item, "it gives rights to the ServiceAccount"
        elif _selector(item) and selects(_selector(item), workload.labels):
            yield item, "it selects the pods, and the operator has no such object"


def _account(workload: Workload) -> str:
    return str(workload.pod.get("serviceAccountName") or "default")


def _is_used(workload: Workload, store: Manifest, known: set[Manifest]) -> bool:
    """Report whether an ExternalSecret of the agent reads from a SecretStore."""
    users = (item for item in workload.of_kind("ExternalSecret") if item in known)
    return any(nested_field(item.spec, "secretStoreRef", "name") == store.name for item in users)


def _mentions(value: Any, name: str) -> bool:
    if isinstance(value, dict):
        keys = ("name", "secretName", "claimName", "secretProviderClass")
        return any((key in keys and item == name) or _mentions(item, name) for key, item in value.items())
    return isinstance(value, list) and any(_mentions(item, name) for item in value)


def _selector(item: Manifest) -> Object | None:
    path = _SELECTORS.get(item.kind)
    found = nested_field(item.body, *path) if path else None
    if not isinstance(found, dict) or not found:
        return None
    return {"matchLabels": found} if item.kind == "Service" else found


def _unselected(workload: Workload, stays: Iterable[Manifest], manifests: Iterable[Object]) -> Iterator[Finding]:
    labels = next(item["spec"]["template"]["metadata"]["labels"] for item in manifests if item["kind"] == "Deployment")
    for item in stays:
        selector = _selector(item)
        if selector and selects(selector, workload.labels) and not selects(selector, labels):
            reason = f"it does not select the pods of the operator: let it select app: {workload.name}"
            yield lost(item, ".".join(_SELECTORS[item.kind]), reason)
