"""Objects without what differs from run to run."""

import json
import re
from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]
_VARYING = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
# Hashes that depend on the UID and the namespace.
_HASH = re.compile(r'("agent-operator\.dev/(?:manifest|secret)-hash": )"[^"]+"')
_VARYING_STATUS = re.compile(r'"(namespaceUid|lastTransitionTime|lastRotated|hash|since|time)": "[^"]*"')
# The name is a hash of the address of the canary, and so of the namespace.
CHECKS = re.compile(r"-checks-[0-9a-f]{10}\b")
# The hash of a pod template is hexadecimal in the local cluster, and without vowels in Kubernetes.
POD = r"-(?:[0-9a-f]{6,10}|[b-df-hj-np-tv-z2-9]{6,10})"
_POD = re.compile(rf"{POD}-[a-z0-9]{{5}}\b")


def masked(obj: Object, names: Mapping[str, str]) -> str:
    """An object as text, with its field managers and the revision of a Deployment."""
    meta = {key: value for key, value in obj["metadata"].items() if key not in _VARYING}
    meta["managers"] = sorted({(m["manager"], m["operation"]) for m in obj["metadata"].get("managedFields") or ()})
    spec = {key: value for key, value in (obj.get("spec") or {}).items() if key not in ("clusterIP", "clusterIPs")}
    text = json.dumps({"metadata": meta, "spec": spec, "data": obj.get("data")}, sort_keys=True, indent=1)
    for name, mask in names.items():
        text = text.replace(name, mask)
    return _HASH.sub(r'\1"HASH"', text)


def status_shape(agent: Object, names: Mapping[str, str]) -> Object:
    """A status without times, hashes and what the simulated pods, which serve nothing, report."""
    text = json.dumps(_without_reports(agent.get("status") or {}))
    for name, mask in names.items():
        text = text.replace(name, mask)
    status: Object = json.loads(_VARYING_STATUS.sub(r'"\1": ""', _POD.sub("-POD", text)))
    return status


def _without_reports(status: Object) -> Object:
    if "conditions" not in status:
        return status
    return status | {"conditions": [item for item in status["conditions"] if item["type"] != "ComponentsHealthy"]}
