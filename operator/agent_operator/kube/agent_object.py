"""AgentDeployments in the cache: trimmed to the fields that the operator reads, and packed as JSON."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from agent_operator.api import constants
from agent_operator.kube import json_scanner, shapes
from agent_operator.kube.objects import LARGEST_BODY, Live, Object, pack_unreadable, version
from agent_operator.kube.stubs import TOO_LARGE, UNREADABLE, stub, unexpected_content

_AGENT_METADATA = ("name", "namespace", "uid", "generation", "labels", "deletionTimestamp", "finalizers")
_ANNOTATIONS = (constants.ANNOTATION_ROLLOUT, constants.ANNOTATION_ADOPT)
_MAX_NESTED_VALUES = 50_000
_SUMMARY = ("runtime", "suspend", "namespace")


def pack_agent(agent: Mapping[str, Any], *, largest: int | None = None) -> Live:
    """Pack the fields of an AgentDeployment that the operator reads.

    Never fails. Of an agent whose body has more than `largest` bytes, only what other agents depend on is packed.
    """
    try:
        return _pack(agent, largest) if UNREADABLE not in agent else pack_unreadable(agent, str(agent[UNREADABLE]))
    except Exception as error:  # noqa: BLE001  (whatever the object contains)
        return pack_unreadable(agent, unexpected_content(error))


def _pack(agent: Mapping[str, Any], largest: int | None) -> Live:
    meta = {key: agent["metadata"][key] for key in _AGENT_METADATA if key in agent["metadata"]}
    annotations = agent["metadata"].get("annotations") or {}
    if kept := {name: annotations[name] for name in _ANNOTATIONS if annotations.get(name)}:
        meta["annotations"] = kept
    spec, status = agent.get("spec") or {}, agent.get("status") or {}
    if not isinstance(spec, dict) or not isinstance(status, dict):
        raise TypeError("spec and status are objects")
    # The CustomResourceDefinition of an older version may accept a condition without these fields.
    if "conditions" in status:
        status = status | {"conditions": shapes.conditions(status["conditions"])}
    body = to_json({"metadata": meta, "spec": spec, "status": status})
    if json_scanner.has_more_values(body, _MAX_NESTED_VALUES):
        # Each pass reads the body, which takes 0.2 µs for an object or list. The limits of a spec are much lower.
        return pack_unreadable(agent, TOO_LARGE)
    is_partial = largest is not None and len(body) > largest
    if is_partial:
        body = _summary(meta, spec, status)
    return Live(meta.get("uid", ""), version(agent), body, meta.get("generation", 0), is_partial=is_partial)


def _summary(meta: Object, spec: Object, status: Object) -> bytes:
    """Return a body with the fields that decide about the channel and the deletion of an agent."""
    kept: Object = {key: spec[key] for key in _SUMMARY if key in spec}
    containers = shapes.mappings(shapes.mapping(shapes.mapping(spec.get("podTemplate")).get("spec")).get("containers"))
    if any(container.get("name") == constants.CONTAINER and container.get("image") for container in containers):
        kept["podTemplate"] = {"spec": {"containers": [{"name": constants.CONTAINER, "image": "set"}]}}
    body = to_json({"metadata": meta, "spec": kept, "status": status})
    if len(body) <= LARGEST_BODY:
        return body
    # Only a hostile writer of labels or of the status needs as much.
    identity = {**stub(meta, "")["metadata"], "generation": meta.get("generation", 0)}
    return to_json({"metadata": identity, "spec": {}, "status": {}})
