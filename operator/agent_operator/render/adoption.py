"""Which objects of others an agent may adopt, and how. Pure.

The annotation `agent-operator.dev/adopt` of the AgentDeployment is the consent of its author, and the admission policy
requires that the author may change and delete such objects. An object that another controller owns is never adopted.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.kube.objects import Ref, agent_key
from agent_operator.kube.resources import CHILDREN
from agent_operator.render import field_ownership
from agent_operator.render.field_ownership import merged
from agent_operator.render.plan import Owner

Object = dict[str, Any]
Manifest = Mapping[str, Any]

LABELED = "labeled"
_KINDS = frozenset(kind.kind for kind in CHILDREN)
_MOST_ENTRIES = 64
_LONGEST_ENTRY = 320
_FIELD = f"metadata.annotations[{constants.ANNOTATION_ADOPT}]"
# Fields that the operator takes over from other field managers. It then removes those that its manifest lacks, such as
# a container of the former pod template. An address, node ports and the number of pods stay as they are. So do the
# fields of a load balancer, because they belong to the address.
TAKEN_OF_SERVICE = (
    *("ports", "selector", "externalIPs", "externalName", "publishNotReadyAddresses"),
    *("sessionAffinity", "sessionAffinityConfig", "internalTrafficPolicy", "trafficDistribution"),
)
# Only a Service of type LoadBalancer may have them.
_OF_LOAD_BALANCERS = ("loadBalancerIP", "loadBalancerSourceRanges", "loadBalancerClass")
_KEPT: Mapping[str, tuple[str, ...]] = {"Deployment": ("f:replicas",)}


@dataclass(frozen=True, slots=True)
class Adoption:
    """What the annotation of an AgentDeployment allows.

    Attributes:
        labeled: whether objects with the labels of the agent are adopted.
        named: kind and name of further objects.
        problems: entries that have no effect.
    """

    labeled: bool = False
    named: frozenset[tuple[str, str]] = frozenset()
    problems: tuple[Problem, ...] = field(default=(), compare=False)

    def __bool__(self) -> bool:
        """Return whether anything may be adopted."""
        return self.labeled or bool(self.named)

    def allows(self, target: Ref, obj: Mapping[str, Any], owner: Owner) -> bool:
        """Return whether the agent adopts an object of others."""
        if controller_of(obj, owner):
            return False
        return (target.kind, target.name) in self.named or (self.labeled and agent_key(obj) == owner.key)


def parse(agent: Mapping[str, Any]) -> Adoption:
    """Return what the annotation of a live AgentDeployment allows."""
    text = (agent["metadata"].get("annotations") or {}).get(constants.ANNOTATION_ADOPT) or ""
    if not text:
        return Adoption()
    entries = [entry.strip() for entry in str(text).split(",", _MOST_ENTRIES + 1)]
    if len(entries) > _MOST_ENTRIES:
        message = f"has more than {_MOST_ENTRIES} entries: name only the objects to adopt"
        return Adoption(problems=(Problem(Reason.ADOPTION_INVALID, _FIELD, message),))
    named = [entry.partition("/") for entry in entries if entry and entry != LABELED]
    known = frozenset((kind, name) for kind, _, name in named if kind in _KINDS and name and "/" not in name)
    unknown = [f"{kind}{slash}{name}" for kind, slash, name in named if (kind, name) not in known]
    return Adoption(LABELED in entries, known, tuple(_invalid(unknown)))


def problems(agent: Mapping[str, Any], *, allowed: bool) -> tuple[Problem, ...]:
    """Return why entries of the annotation have no effect. `allowed`: whether the operator adopts at all."""
    found = parse(agent)
    if allowed or not (found or found.problems):
        return found.problems
    message = (
        "has no effect, because the operator runs with --no-allow-adoption: ask the administrator of the operator to "
        "allow adoption"
    )
    return (Problem(Reason.ADOPTION_INVALID, _FIELD, message),)


def _invalid(entries: Iterable[str]) -> Iterator[Problem]:
    for entry in entries:
        message = (
            f"{entry[:_LONGEST_ENTRY]!r} has no effect: write {LABELED}, or the kind and name of a child such as "
            "Deployment/support, separated by commas"
        )
        yield Problem(Reason.ADOPTION_INVALID, _FIELD, message)


def controller_of(obj: Mapping[str, Any], owner: Owner) -> str:
    """Return the controller because of which an object is never adopted; empty without one."""
    controllers = [it for it in obj["metadata"].get("ownerReferences") or () if it.get("controller")]
    found = next((f"{it.get('kind')} {it.get('name')}" for it in controllers if not _is_former(it, owner)), "")
    return found or _other_agent(obj, owner)


def _other_agent(obj: Mapping[str, Any], owner: Owner) -> str:
    """Return the other agent that the labels name. With spec.namespace, a child has no other mark of its owner."""
    key = agent_key(obj)
    is_child = constants.LABEL_OWNER_UID in (obj["metadata"].get("labels") or {})
    return f"{constants.KIND} {key}" if is_child and key not in (None, owner.key) else ""


def _is_former(controller: Mapping[str, Any], owner: Owner) -> bool:
    """Return whether a controller is a deleted AgentDeployment of the same name, whose UID a backup may contain."""
    return (
        controller.get("kind") == constants.KIND
        and controller.get("name") == owner.key.name
        and str(controller.get("apiVersion")).startswith(f"{constants.GROUP}/")
        and controller.get("uid") != owner.uid
        and owner.namespace == owner.key.namespace
    )


def patch(manifest: Manifest, live: Mapping[str, Any], owner: Owner) -> list[Object]:
    """Return the JSON Patch that makes the agent the owner of an object and of its fields.

    The apply that follows removes the fields that the manifest lacks. Labels and annotations of others stay. The API
    server refuses the patch with 409 if the object has changed since it was read.
    """
    wanted, meta = manifest["metadata"], live["metadata"]
    kept = [it for it in meta.get("ownerReferences") or () if not (it.get("controller") and _is_former(it, owner))]
    fields = {
        "resourceVersion": meta["resourceVersion"],
        "labels": (meta.get("labels") or {}) | wanted["labels"],
        "ownerReferences": [*kept, *(wanted.get("ownerReferences") or ())],
        "managedFields": _managed_fields(manifest, meta.get("managedFields") or ()),
    }
    changed = {name: value for name, value in fields.items() if value}
    return [{"op": "add", "path": f"/metadata/{name}", "value": value} for name, value in changed.items()]


def _managed_fields(manifest: Manifest, entries: Iterable[Mapping[str, Any]]) -> list[Object]:
    """Return the entries after the field manager of the operator has taken over the fields of the others."""
    kind, version = manifest["kind"], manifest["apiVersion"]
    own: Object = {}
    rest: list[Object] = []
    for entry in entries:
        fields = entry.get("fieldsV1") or {}
        if entry.get("manager") == constants.FIELD_MANAGER and entry.get("operation") == "Apply":
            own = merged(own, fields)
            continue
        if entry.get("subresource") or entry.get("apiVersion") != version:
            rest.append(dict(entry))
            continue
        taken = _taken(manifest, fields)
        own = merged(own, taken)
        left = _without(fields, taken)
        rest += [{**entry, "fieldsV1": left}] if left else []
    if "replicas" not in (manifest.get("spec") or {}):
        own = _without_fields(own, _KEPT.get(kind, ()))
    applied = {
        "manager": constants.FIELD_MANAGER,
        "operation": "Apply",
        "apiVersion": version,
        "fieldsType": "FieldsV1",
        "fieldsV1": own,
    }
    return [applied, *rest] if own else rest


def _taken(manifest: Manifest, fields: Mapping[str, Any]) -> Object:
    kind = manifest["kind"]
    taken: Object = {name: fields[name] for name in ("f:spec", "f:data", "f:binaryData") if name in fields}
    if "f:spec" in taken:
        only, kept = taken_fields(manifest), _KEPT.get(kind, ())
        spec = taken["f:spec"] or {}
        chosen = {name: spec[name] for name in spec if name not in kept and (only is None or name[2:] in only)}
        taken |= {"f:spec": chosen}
        if not chosen:
            del taken["f:spec"]
    return taken


def taken_fields(manifest: Manifest) -> tuple[str, ...] | None:
    """Return the fields of spec that the operator takes over; None for all but those that `_KEPT` names."""
    if manifest["kind"] != "Service":
        return None
    is_balanced = (manifest.get("spec") or {}).get("type") == "LoadBalancer"
    return TAKEN_OF_SERVICE if is_balanced else (*TAKEN_OF_SERVICE, *_OF_LOAD_BALANCERS)


def is_tracked(manifest: Manifest, live: Mapping[str, Any]) -> bool:
    """Return whether the apply that follows `patch` removes what runs or receives traffic and is not the agent's."""
    return field_ownership.is_tracked(manifest, live, taken_fields(manifest))


def reset(live: Mapping[str, Any]) -> list[Object]:
    """Return the JSON Patch that removes all field managers. The next apply then gives each field one."""
    fields = {"resourceVersion": live["metadata"]["resourceVersion"], "managedFields": [{}]}
    return [{"op": "add", "path": f"/metadata/{name}", "value": value} for name, value in fields.items()]


def _without_fields(fields: Object, kept: Iterable[str]) -> Object:
    spec = fields.get("f:spec")
    return fields | {"f:spec": {name: spec[name] for name in spec if name not in kept}} if spec else fields


def _without(fields: Mapping[str, Any], removed: Mapping[str, Any]) -> Object:
    """Return a field set without what another contains completely, two levels deep."""
    left: Object = {}
    for name, value in fields.items():
        if name not in removed:
            left[name] = value
        elif rest := {key: below for key, below in value.items() if key not in removed[name]}:
            left[name] = rest
    return left
