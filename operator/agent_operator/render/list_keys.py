"""Which lists of the built-in kinds are associative, and by which keys Kubernetes identifies their items.

The table follows the OpenAPI schemas of Kubernetes. All other lists are atomic: a writer replaces them as a whole.
"""

from collections.abc import Mapping

# x-kubernetes-list-map-keys of server-side apply. The first key is also the x-kubernetes-patch-merge-key.
_LIST_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "env": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
# Ports are associative in a container and in a Service, by different keys. The ports of a NetworkPolicy are atomic.
_CONTAINER_PORT_KEYS = ("containerPort", "protocol")
_PORT_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": _CONTAINER_PORT_KEYS,
    "initContainers": _CONTAINER_PORT_KEYS,
    "spec": ("port", "protocol"),
}


def list_keys(parent: str, field: str) -> tuple[str, ...]:
    """Return the keys that identify an item of the list `field` below `parent`; empty for an atomic list."""
    if field == "ports":
        return _PORT_KEYS.get(parent, ())
    return _LIST_KEYS.get(field, ())


def merge_key(field: str) -> str:
    """Return the key by which a strategic merge patch identifies items in a pod template; empty for an atomic list."""
    keys = _CONTAINER_PORT_KEYS if field == "ports" else _LIST_KEYS.get(field, ("",))
    return keys[0]
