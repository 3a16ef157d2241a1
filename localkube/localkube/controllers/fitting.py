"""Whether a pod fits a node, in the words of the scheduler. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from kubeschema import quantity
from localkube.meta.objects import labels_of
from localkube.meta.selectors import LabelSelector
from localkube.meta.status import Object

Amounts = Mapping[str, Decimal]
HOSTNAME = "kubernetes.io/hostname"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_SHUT_OUT = ("NoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a pod does not fit. `lasting`: not even if other pods made room."""

    why: tuple[str, ...]
    lasting: bool = True

    @property
    def message(self) -> str:
        """What the scheduler says of it, on a cluster of one node."""
        counted = ", ".join(f"1 {reason}" for reason in sorted(self.why))
        help_ = (
            "Preemption is not helpful for scheduling"
            if self.lasting
            else "No preemption victims found for incoming pod"
        )
        tail = f"no new claims to deallocate, preemption: 0/1 nodes are available: 1 {help_}."
        return f"0/1 nodes are available: {counted}. {tail}"


def requests(pod: Object) -> Amounts:
    """What the containers of a pod ask for together, and the pod's own place."""
    spec = pod["spec"]
    running: dict[str, Decimal] = {"pods": Decimal(1)}
    starting: dict[str, Decimal] = {}
    for container in spec.get("containers") or ():
        _add(running, _asked(container))
    beside: dict[str, Decimal] = {}  # the sidecars started so far
    for container in spec.get("initContainers") or ():
        asked = _asked(container)
        if container.get("restartPolicy") == "Always":
            _add(running, asked)
            _add(beside, asked)
            asked = {}
        for name in {*asked, *beside}:
            alone = asked.get(name, Decimal(0)) + beside.get(name, Decimal(0))
            starting[name] = max(starting.get(name, Decimal(0)), alone)
    found = {n: max(running.get(n, Decimal(0)), starting.get(n, Decimal(0))) for n in {*running, *starting}}
    _add(found, {k: quantity.parse(v) for k, v in (spec.get("overhead") or {}).items()})
    return found


def _asked(container: Object) -> Amounts:
    return {k: quantity.parse(v) for k, v in ((container.get("resources") or {}).get("requests") or {}).items()}


def _add(total: dict[str, Decimal], more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, Decimal(0)) + amount


def misfit(pod: Object, node: Object, used: Amounts, placed: Iterable[Object]) -> Misfit | None:
    """Why a pod cannot go to a node on which `used` is taken by the pods in `placed`; None when it can."""
    simple = _closed(pod, node) or _unmet(pod, node)
    if simple:
        return Misfit((simple,))
    scarce = _insufficient(requests(pod), node, used)
    if scarce:
        return scarce
    spread = [
        c for c in pod["spec"].get("topologySpreadConstraints") or () if c["whenUnsatisfiable"] == "DoNotSchedule"
    ]
    if any(c["topologyKey"] not in labels_of(node) for c in spread):
        return Misfit(("node(s) didn't match pod topology spread constraints (missing required label)",))
    return _crowded(pod, node, list(placed))


def _closed(pod: Object, node: Object) -> str:
    tolerations = pod["spec"].get("tolerations") or ()
    unschedulable = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    if node["spec"].get("unschedulable") and not any(_tolerates(t, unschedulable) for t in tolerations):
        return "node(s) were unschedulable"
    for taint in node["spec"].get("taints") or ():
        if taint["effect"] in _SHUT_OUT and not any(_tolerates(t, taint) for t in tolerations):
            return "node(s) had untolerated taint(s)"
    return ""


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")


def _unmet(pod: Object, node: Object) -> str:
    """What a pod's nodeSelector and required node affinity miss."""
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
    return bool(expressions) and all(_holds(e, labels) for e in expressions)


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    operator, text = expression["operator"], labels.get(expression["key"], "")
    if operator not in ("Gt", "Lt"):
        return LabelSelector.of({"matchExpressions": [expression]}).matches({"metadata": {"labels": dict(labels)}})
    limit = expression["values"][0]
    if not (text.lstrip("-").isdigit() and limit.lstrip("-").isdigit()):
        return False
    return int(text) > int(limit) if operator == "Gt" else int(text) < int(limit)


def _insufficient(asked: Amounts, node: Object, used: Amounts) -> Misfit | None:
    room = {k: quantity.parse(v) for k, v in (node.get("status", {}).get("allocatable") or {}).items()}
    why, lasting = [], False
    for name, amount in asked.items():
        most = room.get(name, Decimal(0))
        if amount and amount + used.get(name, Decimal(0)) > most:
            why.append("Too many pods" if name == "pods" else f"Insufficient {name}")
            lasting |= amount > most
    return Misfit(tuple(why), lasting) if why else None


def _crowded(pod: Object, node: Object, placed: list[Object]) -> Misfit | None:
    """What the neighbours forbid. With one node, any topology that the node has a label for is that node."""
    labels = labels_of(node)
    if any(_repels(other, pod, labels) for other in placed):
        return Misfit(("node(s) didn't satisfy existing pods anti-affinity rules",), lasting=False)
    for term in _terms(pod, "podAffinity"):
        alone = not any(_selects(term, pod, other) for other in placed)
        if term["topologyKey"] not in labels or (alone and not _selects(term, pod, pod)):
            return Misfit(("node(s) didn't match pod affinity rules",))
    if any(_repels(pod, other, labels) for other in placed):
        return Misfit(("node(s) didn't match pod anti-affinity rules",), lasting=False)
    return None


def _repels(one: Object, other: Object, labels: Mapping[str, str]) -> bool:
    return any(t["topologyKey"] in labels and _selects(t, one, other) for t in _terms(one, "podAntiAffinity"))


def _terms(pod: Object, kind: str) -> Iterator[Object]:
    yield from ((pod["spec"].get("affinity") or {}).get(kind) or {}).get(_REQUIRED) or ()


def _selects(term: Object, owner: Object, other: Object) -> bool:
    """Whether a term of `owner` speaks of `other`."""
    namespaces = term.get("namespaces") or (() if "namespaceSelector" in term else [owner["metadata"]["namespace"]])
    everywhere = "namespaceSelector" in term and not term["namespaceSelector"]
    if not everywhere and other["metadata"]["namespace"] not in namespaces:
        return False
    return "labelSelector" in term and LabelSelector.of(term["labelSelector"]).matches(other)


def has_neighbours(pod: Object) -> bool:
    """Whether the pod has something to say about its neighbours."""
    return any(True for kind in ("podAffinity", "podAntiAffinity") for _ in _terms(pod, kind))
