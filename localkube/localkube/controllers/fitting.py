"""Whether a pod fits the node, with the messages of kube-scheduler. Pure.

There is one node, so affinity between pods and topology spread constraints are ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from kubeschema import quantity
from localkube.meta.objects import labels_of
from localkube.meta.selectors import LabelSelector
from localkube.meta.status import Object

Amounts = Mapping[str, Decimal]
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_REPELLING_EFFECTS = ("NoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class Unschedulable:
    """Why a pod does not fit. `permanent`: it does not fit even if other pods are removed."""

    reasons: tuple[str, ...]
    permanent: bool = True

    @property
    def message(self) -> str:
        """The message of kube-scheduler in a cluster with one node."""
        counted = ", ".join(f"1 {reason}" for reason in sorted(self.reasons))
        preemption = (
            "Preemption is not helpful for scheduling"
            if self.permanent
            else "No preemption victims found for incoming pod"
        )
        tail = f"no new claims to deallocate, preemption: 0/1 nodes are available: 1 {preemption}."
        return f"0/1 nodes are available: {counted}. {tail}"


def total_requests(pod: Object) -> Amounts:
    """The effective requests of a pod: of its containers or, if greater, of an init container; plus overhead."""
    spec = pod["spec"]
    running: dict[str, Decimal] = {"pods": Decimal(1)}
    starting: dict[str, Decimal] = {}
    for container in spec.get("containers") or ():
        _add(running, _requests(container))
    sidecars: dict[str, Decimal] = {}  # requests of the sidecars that have started
    for container in spec.get("initContainers") or ():
        requests = _requests(container)
        if container.get("restartPolicy") == "Always":
            _add(running, requests)
            _add(sidecars, requests)
            requests = {}
        for name in {*requests, *sidecars}:
            amount = requests.get(name, Decimal(0)) + sidecars.get(name, Decimal(0))
            starting[name] = max(starting.get(name, Decimal(0)), amount)
    found = {n: max(running.get(n, Decimal(0)), starting.get(n, Decimal(0))) for n in {*running, *starting}}
    _add(found, {k: quantity.parse(v) for k, v in (spec.get("overhead") or {}).items()})
    return found


def _requests(container: Object) -> Amounts:
    return {k: quantity.parse(v) for k, v in ((container.get("resources") or {}).get("requests") or {}).items()}


def _add(total: dict[str, Decimal], more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, Decimal(0)) + amount


def check_fit(pod: Object, node: Object, used: Amounts) -> Unschedulable | None:
    """Why a pod does not fit a node of which other pods use `used`; None if it fits."""
    reason = _taint_mismatch(pod, node) or _selector_mismatch(pod, node)
    if reason:
        return Unschedulable((reason,))
    return _insufficient_resources(total_requests(pod), node, used)


def _taint_mismatch(pod: Object, node: Object) -> str:
    tolerations = pod["spec"].get("tolerations") or ()
    unschedulable = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    if node["spec"].get("unschedulable") and not any(_tolerates(t, unschedulable) for t in tolerations):
        return "node(s) were unschedulable"
    for taint in node["spec"].get("taints") or ():
        if taint["effect"] in _REPELLING_EFFECTS and not any(_tolerates(t, taint) for t in tolerations):
            return "node(s) had untolerated taint(s)"
    return ""


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")


def _selector_mismatch(pod: Object, node: Object) -> str:
    """Check nodeSelector and required node affinity."""
    spec = pod["spec"]
    selector = spec.get("nodeSelector") or {}
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms")
    if selector.items() <= labels_of(node).items() and (terms is None or any(_term_matches(t, node) for t in terms)):
        return ""
    return "node(s) didn't match Pod's node affinity/selector"


def _term_matches(term: Object, node: Object) -> bool:
    expressions = [*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ())]
    labels = {**labels_of(node), "metadata.name": node["metadata"]["name"]}
    return bool(expressions) and all(_expression_matches(e, labels) for e in expressions)


def _expression_matches(expression: Object, labels: Mapping[str, str]) -> bool:
    operator, text = expression["operator"], labels.get(expression["key"], "")
    if operator not in ("Gt", "Lt"):
        return LabelSelector.of({"matchExpressions": [expression]}).matches({"metadata": {"labels": dict(labels)}})
    limit = expression["values"][0]
    if not (text.lstrip("-").isdigit() and limit.lstrip("-").isdigit()):
        return False
    return int(text) > int(limit) if operator == "Gt" else int(text) < int(limit)


def _insufficient_resources(requests: Amounts, node: Object, used: Amounts) -> Unschedulable | None:
    allocatable = {k: quantity.parse(v) for k, v in (node.get("status", {}).get("allocatable") or {}).items()}
    reasons, permanent = [], False
    for name, amount in requests.items():
        available = allocatable.get(name, Decimal(0))
        if amount and amount + used.get(name, Decimal(0)) > available:
            reasons.append("Too many pods" if name == "pods" else f"Insufficient {name}")
            permanent |= amount > available
    return Unschedulable(tuple(reasons), permanent) if reasons else None
