"""What the server drops from a Service when its type changes, as far as the client left it unchanged. Pure."""

from typing import Any, Final

Object = dict[str, Any]

_WITH_NODE_PORTS: Final = ("NodePort", "LoadBalancer")
# Fields by the types that have them.
_FIELDS: Final = {
    "externalTrafficPolicy": _WITH_NODE_PORTS,
    "allocateLoadBalancerNodePorts": ("LoadBalancer",),
    "loadBalancerClass": ("LoadBalancer",),
    "internalTrafficPolicy": ("ClusterIP", *_WITH_NODE_PORTS),
    "clusterIP": ("ClusterIP", *_WITH_NODE_PORTS),
    "clusterIPs": ("ClusterIP", *_WITH_NODE_PORTS),
    "ipFamilies": ("ClusterIP", *_WITH_NODE_PORTS),
    "ipFamilyPolicy": ("ClusterIP", *_WITH_NODE_PORTS),
}


def drop_unused_fields(old: Object, new: Object) -> Object:
    """Return the new Service without the fields that only its old type has."""
    before, after = old["spec"], new["spec"]
    kinds = before.get("type"), after.get("type")
    dropped = {
        name
        for name, types in _FIELDS.items()
        if kinds[0] in types and kinds[1] not in types and before.get(name) == after.get(name)
    }
    spec = {name: value for name, value in after.items() if name not in dropped}
    if kinds[0] in _WITH_NODE_PORTS and kinds[1] not in _WITH_NODE_PORTS:
        known = {port.get("nodePort") for port in before.get("ports") or ()}
        spec["ports"] = [_without(port, known) for port in spec.get("ports") or ()]
    return {**new, "spec": spec}


def _without(port: Object, known: set[int | None]) -> Object:
    return {name: value for name, value in port.items() if name != "nodePort" or value not in known}
