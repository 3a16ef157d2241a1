"""Why a pod does not start, from its Events. The kubelet reports volumes and sandboxes only there. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from agent_operator.kube.shapes import mapping, text
from agent_runtime.config.terminal import one_line

# Who reports them. Every user who may create Events can name these, too, so a message is only shown.
_REPORTERS = frozenset({"kubelet", "attachdetach-controller"})
REASONS = frozenset(
    {"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox", "NetworkNotReady"}
)
_LONGEST_MESSAGE = 1_024
_MISSING = re.compile(r'\b(configmap|secret|persistentvolumeclaim) "([^"\s]{1,253})" not found')
_MISSING_KEY = re.compile(r"references non-existent (config|secret) key: (\S{1,253})")
_KINDS = {"configmap": "ConfigMap", "secret": "Secret", "persistentvolumeclaim": "PersistentVolumeClaim"}
# A summary that the kubelet adds after two minutes. It does not name the cause.
_SUMMARY = "Unable to attach or mount volumes"


def start_failure(pod: str, uid: str, events: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return status.lastFailure of a pod that does not start; None if no Event says why.

    Args:
        pod: name of the pod.
        uid: metadata.uid of the pod. Another pod of this name may have existed.
        events: its Events (events.k8s.io/v1). Everyone who may create Events may have written them.
    """
    reasons = [event for event in events if text(event.get("reason")) in REASONS and text(event.get("note"))]
    found = [event for event in reasons if _is_about(event, uid) and _reporter(event) in _REPORTERS]
    causes = [event for event in found if not text(event["note"]).startswith(_SUMMARY)] or found
    if not causes:
        return None
    latest = max(causes, key=_time)
    note = one_line(text(latest["note"])[:_LONGEST_MESSAGE])
    failure = {"pod": pod, "reason": text(latest["reason"]), "message": note + _remedy(note)}
    return failure | ({"time": _time(latest)} if _time(latest) else {})


def _is_about(event: Mapping[str, Any], uid: str) -> bool:
    return text(mapping(event.get("regarding")).get("uid")) == uid


def _reporter(event: Mapping[str, Any]) -> str:
    """Return the component that reports an Event. Older recorders set only the source."""
    return text(event.get("reportingController")) or text(mapping(event.get("deprecatedSource")).get("component"))


def _time(event: Mapping[str, Any]) -> str:
    """Return when an Event occurred last (RFC 3339), so that texts compare like times."""
    series = text(mapping(event.get("series")).get("lastObservedTime"))
    found = series or text(event.get("deprecatedLastTimestamp")) or text(event.get("eventTime"))
    return found[:19] + "Z" if found else ""


def _remedy(note: str) -> str:
    if missing := _MISSING.search(note):
        kind, name = _KINDS[missing[1]], missing[2]
        return f": create the {kind} {name}, or correct the volume that names it"
    if missing := _MISSING_KEY.search(note):
        kind = "ConfigMap" if missing[1] == "config" else "Secret"
        return f": add the key {missing[2]} to the {kind}, or correct the volume that names it"
    return ""
