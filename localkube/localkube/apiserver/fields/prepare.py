"""Fields that the server sets on a new object of a built-in kind, after managedFields are computed."""

from typing import Any, Final

from kubeschema.errors import Gvk
from kubeschema.kinds.pod_defaults import qos_class
from kubeschema.schema import builtin
from localkube.apiserver.fields import managed

Object = dict[str, Any]

_STATUS_KEPT: Final = frozenset({("", "Node"), ("", "Namespace")})


def prepare_create(gvk: Gvk, obj: Object, *, generation: bool) -> Object:
    """Set the fields of the kind, and drop the client's status. `generation`: whether the kind has one."""
    kind = (gvk[0], gvk[2])
    out = dict(obj)
    if generation:
        out["metadata"] = {**(obj.get("metadata") or {}), "generation": 1}
    if "status" in obj and kind not in _STATUS_KEPT:
        schema = builtin(*gvk)
        blank = managed.blank(schema) if schema else {}
        out = {**out, "status": blank["status"]} if "status" in blank else out
    special = _SPECIAL.get(kind)
    return special(out) if special else out


def _pod(obj: Object) -> Object:
    return {**obj, "status": {"phase": "Pending", "qosClass": qos_class(obj["spec"])}}


def _namespace(obj: Object) -> Object:
    finalizers = list((obj.get("spec") or {}).get("finalizers") or ())
    kept = finalizers if "kubernetes" in finalizers else [*finalizers, "kubernetes"]
    return {**obj, "spec": {**(obj.get("spec") or {}), "finalizers": kept}, "status": {"phase": "Active"}}


def with_families(obj: Object) -> Object:
    """Return a Service with the address families of the cluster, unless it names some."""
    spec = obj["spec"]
    if spec.get("type") == "ExternalName":
        return obj
    headless = spec.get("clusterIP") == "None" and not spec.get("selector")
    policy = spec.get("ipFamilyPolicy") or ("RequireDualStack" if headless else "SingleStack")
    families = spec.get("ipFamilies") or (["IPv4", "IPv6"] if headless else ["IPv4"])
    return {**obj, "spec": {**spec, "ipFamilies": families, "ipFamilyPolicy": policy}}


def _job(obj: Object) -> Object:
    spec = obj["spec"]
    metadata = obj.get("metadata") or {}
    if not spec.get("manualSelector") and metadata.get("uid"):
        spec = _selecting(spec, metadata.get("name", ""), metadata["uid"])
    own = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if own and not metadata.get("labels"):
        metadata = {**metadata, "labels": own}
    return {**obj, "metadata": metadata, "spec": spec}


def _selecting(spec: Object, name: str, uid: str) -> Object:
    """Generate the selector and labels of a Job."""
    template = spec.get("template") or {}
    metadata = template.get("metadata") or {}
    own = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name}
    labels = {**own, "controller-uid": uid, "job-name": name, **(metadata.get("labels") or {})}
    selector = spec.get("selector") or {}
    matched = {**(selector.get("matchLabels") or {}), "batch.kubernetes.io/controller-uid": uid}
    template = {**template, "metadata": {**metadata, "labels": labels}}
    return {**spec, "selector": {**selector, "matchLabels": matched}, "template": template}


_SPECIAL: Final = {
    ("", "Pod"): _pod,
    ("", "Namespace"): _namespace,
    ("", "Service"): with_families,
    ("batch", "Job"): _job,
}
