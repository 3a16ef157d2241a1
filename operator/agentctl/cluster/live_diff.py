"""What applying an AgentDeployment would change in a cluster: created, updated and adopted objects, and conflicts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from enum import StrEnum
from typing import Any

from agent_operator.api import constants
from agent_operator.kube.objects import Key, ref
from agent_operator.render import adoption, handover
from agent_operator.render.handover import Method
from agent_operator.render.list_keys import list_keys
from agent_operator.render.plan import Owner
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.snapshot import RESOURCE, get_served
from agentctl.conversion.defaults import normalized
from agentctl.objects import Object, nested_field
from agentctl.ui import output

_METHODS: Mapping[Method, str] = {
    Method.CREATE: "",
    Method.UPDATE: "a rolling update replaces its pods",
    Method.REPLACE: "its selector differs: it is created again and adopts the ReplicaSets, whose pods a rolling update "
    "replaces",
}


class Action(StrEnum):
    """What the operator would do with an object."""

    CREATE = "created"
    UPDATE = "updated"
    ADOPT = "adopted"
    CONFLICT = "conflict"
    NONE = "unchanged"
    UNKNOWN = "not compared"

    @property
    def is_difference(self) -> bool:
        """Whether the cluster differs from the agent."""
        return self not in (Action.NONE, Action.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Change:
    """One object.

    Attributes:
        title: kind and name.
        action: what the operator would do.
        note: how, or why not; may be empty.
        diff: the lines of a unified diff.
    """

    title: str
    action: Action
    note: str = ""
    diff: tuple[str, ...] = ()

    def to_json(self) -> Object:
        """Return the change as `diff -o json` prints it."""
        return {"object": self.title, "action": self.action.value, "note": self.note, "diff": "\n".join(self.diff)}


def compare(kubectl: Kubectl, agent: Object, manifests: Sequence[Mapping[str, Any]]) -> tuple[Change, ...]:
    """Compare the manifests of an agent with the live objects of their names. Secrets are not read.

    Raises:
        CommandError: the API server does not respond.
    """
    key = Key(agent["metadata"]["namespace"], agent["metadata"]["name"])
    namespace = str(nested_field(agent, "spec", "namespace", "name") or key.namespace)
    current = kubectl.in_namespace(key.namespace).get(f"{RESOURCE}/{key.name}")
    status = (current[0].get("status") or {}) if current else {}
    uid = current[0]["metadata"]["uid"] if current else ""
    owner = Owner(uid, key, namespace, status.get("namespaceUid") or "")
    inside = kubectl.in_namespace(namespace)
    readable = [_item(manifest) for manifest in manifests if manifest["kind"] != "Secret"]
    objects, unserved = get_served(inside, readable)
    live = {(item["kind"], item["metadata"]["name"]): item for item in objects}
    absent = {item["kind"] for item in unserved}
    allowed = adoption.parse(agent)
    found = [_change(item, live, owner, allowed, absent) for item in manifests]
    found = [
        _with_replaced(inside, change, manifest, live) if change.action is Action.CREATE else change
        for change, manifest in zip(found, manifests, strict=True)
    ]
    return tuple(_with_handover(inside, found, manifests, live))


def _item(manifest: Mapping[str, Any]) -> Object:
    return {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "name": manifest["metadata"]["name"]}


def _change(
    manifest: Mapping[str, Any],
    live: Mapping[tuple[str, str], Object],
    owner: Owner,
    allowed: adoption.Adoption,
    absent: set[str],
) -> Change:
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    title, obj = f"{kind}/{name}", live.get((kind, name))
    if kind == "Secret" or kind in absent:
        note = "agentctl reads no Secrets" if kind == "Secret" else "the API server does not serve this kind"
        return Change(title, Action.UNKNOWN, note)
    if obj is None:
        return Change(title, Action.CREATE)
    target = ref(kind, obj)
    if owner.owns(target, obj, obj["metadata"]["uid"]):
        diff = _diff(title, kind, obj, normalized(kind, _merged(obj, dict(manifest))))
        return Change(title, Action.UPDATE if diff else Action.NONE, diff=diff)
    if allowed.allows(target, obj, owner):
        return Change(title, Action.ADOPT, diff=_diff(title, kind, obj, _adopted(kind, obj, manifest)))
    return Change(title, Action.CONFLICT, _conflict(title, adoption.controller_of(obj, owner)))


def _with_replaced(
    kubectl: Kubectl, change: Change, manifest: Mapping[str, Any], live: Mapping[tuple[str, str], Object]
) -> Change:
    """Compare a new ConfigMap, whose name has the hash of its content, with the one that the pods mount now."""
    prefix, separator, _ = manifest["metadata"]["name"].rpartition("-")
    deployments = (obj for (kind, _), obj in live.items() if kind == "Deployment")
    volumes = (it for obj in deployments for it in nested_field(obj, "spec", "template", "spec", "volumes") or ())
    names = (str(nested_field(volume, "configMap", "name") or "") for volume in volumes)
    name = next((it for it in names if separator and it.rpartition("-")[0] == prefix), "")
    replaced = kubectl.get(f"configmap/{name}") if name and manifest["kind"] == "ConfigMap" else []
    if not replaced:
        return change
    before = replaced[0] | {"metadata": manifest["metadata"]}
    diff = _diff(change.title, "ConfigMap", before, normalized("ConfigMap", dict(manifest)))
    return Change(change.title, change.action, f"it replaces ConfigMap/{name}", diff)


def _conflict(title: str, controller: str) -> str:
    if controller:
        return f"{controller} controls it: delete or rename it"
    return f"it does not belong to the agent: delete it, or add {title} to the annotation {constants.ANNOTATION_ADOPT}"


def _adopted(kind: str, obj: Object, manifest: Mapping[str, Any]) -> Object:
    """Return an object after its adoption: its metadata stays, and its spec becomes that of the manifest."""
    live, spec = obj.get("spec") or {}, manifest.get("spec") or {}
    if kind == "Service":
        spec = {field: value for field, value in live.items() if field not in adoption.TAKEN_OF_SERVICE} | spec
    elif kind == "Deployment" and "replicas" in live:
        spec = {"replicas": live["replicas"]} | spec
    after = {**manifest, "metadata": _merged(obj["metadata"], manifest["metadata"])}
    return normalized(kind, after | ({"spec": spec} if spec else {}))


def _merged(live: Any, desired: Any, field: str = "", parent: str = "") -> Any:
    """Return a live value after server-side apply of the desired one: what others have added stays."""
    if isinstance(live, dict) and isinstance(desired, dict):
        return live | {key: _merged(live.get(key), value, key, field) for key, value in desired.items()}
    keys = list_keys(parent, field)
    if not (keys and isinstance(live, list) and isinstance(desired, list)):
        return desired
    wanted = {tuple(item.get(key) for key in keys): item for item in desired}
    known = {tuple(item.get(key) for key in keys): item for item in live}
    kept = [_merged(item, wanted[key], field=field) if key in wanted else item for key, item in known.items()]
    return kept + [item for key, item in wanted.items() if key not in known]


def _diff(title: str, kind: str, obj: Object, after: Object) -> tuple[str, ...]:
    before, new = (output.yaml_text(_sorted(item)).splitlines() for item in (normalized(kind, obj), after))
    return tuple(unified_diff(before, new, f"live/{title}", f"agent/{title}", lineterm=""))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value) if value[key] not in ({}, [], None)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _with_handover(
    kubectl: Kubectl,
    changes: Sequence[Change],
    manifests: Sequence[Mapping[str, Any]],
    live: Mapping[tuple[str, str], Object],
) -> Iterator[Change]:
    """Add how the adopted Deployment and Service change places, or why this would lose requests."""
    desired = {manifest["kind"]: manifest for manifest in manifests}
    adopted = {change.title for change in changes if change.action is Action.ADOPT}
    titles = {kind: f"{kind}/{desired[kind]['metadata']['name']}" for kind in ("Deployment", "Service")}
    given = {kind: live[(kind, title.split("/")[1])] for kind, title in titles.items() if title in adopted}
    if not given:
        yield from changes
        return
    others = kubectl.get("services") if "Deployment" in given else []
    plan = handover.plan(desired, given.get("Deployment"), given.get("Service"), others)
    notes = {titles["Deployment"]: _METHODS[plan.method]}
    if plan.deferred:
        notes[titles["Service"]] = "as soon as the pods of the agent are available"
    for change in changes:
        note = notes.get(change.title, "") if change.action is Action.ADOPT else ""
        yield Change(change.title, change.action, note, change.diff) if note else change
    for problem in plan.problems:
        yield Change(titles["Deployment"], Action.CONFLICT, problem.message)
