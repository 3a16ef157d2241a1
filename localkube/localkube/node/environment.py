"""The environment variables of a container. Pure, except for the functions that look up ConfigMaps and Secrets."""

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from kubeschema import quantity
from localkube.meta.status import Object
from localkube.node.errors import ConfigError

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


@dataclass(frozen=True, slots=True)
class Sources:
    """Looks up the ConfigMaps and Secrets to which one pod refers: from a name to the object or None."""

    config_map: Callable[[str], Object | None]
    secret: Callable[[str], Object | None]


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)` with its value and `$$` with `$`. A name without a value is not replaced."""

    def value(found: re.Match[str]) -> str:
        if found[1] is None:
            return "$"
        return values.get(found[1], found[0])

    return _REFERENCE.sub(value, text)


def declared(pod: Object, container: Object, sources: Sources, inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables of `envFrom` and `env`. `$(NAME)` refers to `inherited` or earlier ones. Raises ConfigError."""
    found: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        prefix = source.get("prefix", "")
        found.update({prefix + k: v for k, v in _all_of(source, sources) if _NAME.fullmatch(prefix + k)})
    for entry in container.get("env") or ():
        value = _value(pod, container, entry, sources, {**inherited, **found})
        if value is not None:
            found[entry["name"]] = value
    return found


def _all_of(source: Object, sources: Sources) -> Iterable[tuple[str, str]]:
    if "configMapRef" in source:
        reference = source["configMapRef"]
        obj = _referenced("configmap", reference, sources.config_map)
        return [] if obj is None else (obj.get("data") or {}).items()
    reference = source["secretRef"]
    obj = _referenced("secret", reference, sources.secret)
    return [] if obj is None else _texts(obj)


def _referenced(kind: str, reference: Object, find: Callable[[str], Object | None]) -> Object | None:
    obj = find(reference["name"])
    if obj is None and not reference.get("optional"):
        raise ConfigError(f'{kind} "{reference["name"]}" not found')
    return obj


def _texts(secret: Object) -> Iterator[tuple[str, str]]:
    for key, value in (secret.get("data") or {}).items():
        yield key, b64decode(value).decode(errors="replace")


def _value(pod: Object, container: Object, entry: Object, sources: Sources, earlier: Mapping[str, str]) -> str | None:
    origin = entry.get("valueFrom")
    if not origin:
        return expand(entry.get("value", ""), earlier)
    if "fieldRef" in origin:
        return field(pod, origin["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in origin:
        return resource(pod, origin["resourceFieldRef"], container)
    if "configMapKeyRef" in origin:
        reference = origin["configMapKeyRef"]
        obj = _referenced("configmap", reference, sources.config_map)
        return _key(pod, "ConfigMap", reference, None if obj is None else dict(obj.get("data") or {}))
    if "secretKeyRef" in origin:
        reference = origin["secretKeyRef"]
        obj = _referenced("secret", reference, sources.secret)
        return _key(pod, "Secret", reference, None if obj is None else dict(_texts(obj)))
    raise ConfigError(f"env {entry['name']}: the local cluster does not support {', '.join(origin)}")


def _key(pod: Object, kind: str, reference: Object, data: dict[str, str] | None) -> str | None:
    if data is not None and reference["key"] in data:
        return data[reference["key"]]
    if reference.get("optional"):
        return None
    namespace = pod["metadata"]["namespace"]
    raise ConfigError(f"couldn't find key {reference['key']} in {kind} {namespace}/{reference['name']}")


def field(pod: Object, path: str) -> str:
    """The value of a `fieldRef`. Raises ConfigError on failure."""
    metadata, status = pod["metadata"], pod.get("status", {})
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        return str((metadata.get(subscript[1]) or {}).get(subscript[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        return formatted(metadata.get(path.removeprefix("metadata.")) or {})
    known = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.hostIP": status.get("hostIP", ""),
        "status.hostIPs": status.get("hostIP", ""),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
    }
    if path not in known:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return str(known[path])


def formatted(pairs: Mapping[str, str]) -> str:
    """Format labels or annotations as the downward API does: `key="value"` lines."""
    return "\n".join(f'{k}="{_escaped(v)}"' for k, v in sorted(pairs.items()))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource(pod: Object, reference: Object, container: Object | None = None) -> str:
    """The value of a `resourceFieldRef`, divided by its divisor and rounded up; 0 if the resource is not set."""
    name = reference.get("containerName")
    if name:
        container = next((c for c in pod["spec"]["containers"] if c["name"] == name), container)
    kind, _, what = reference["resource"].partition(".")
    resources = (container or {}).get("resources") or {}
    amount = (resources.get(kind) or {}).get(what, "0")
    return str(quantity.divided(str(amount), str(reference.get("divisor") or "1")))


def service_links(services: Iterable[Object]) -> dict[str, str]:
    """`<NAME>_SERVICE_HOST` and `<NAME>_SERVICE_PORT[_<PORT>]` of Services, which is discovery without DNS."""
    found: dict[str, str] = {}
    for service in services:
        address = service["spec"].get("clusterIP")
        if not address or address == "None":
            continue
        name = variable(service["metadata"]["name"])
        found[f"{name}_SERVICE_HOST"] = address
        for at, port in enumerate(service["spec"].get("ports") or ()):
            if at == 0:
                found[f"{name}_SERVICE_PORT"] = str(port["port"])
            if port.get("name"):
                found[f"{name}_SERVICE_PORT_{variable(port['name'])}"] = str(port["port"])
    return found


def variable(name: str) -> str:
    """Convert a Kubernetes name into a part of a variable name."""
    return name.upper().replace("-", "_")
