"""Validation of containers: names, images, ports, environment, probes, resources, mounts."""

import re
from collections.abc import Sequence
from typing import Any, Final

from kubeschema import names, quantity
from kubeschema.errors import Cause, duplicate, forbidden, invalid, not_found, not_supported, required
from kubeschema.kinds.choice_rules import CONTAINER, choices, resource_reference
from kubeschema.kinds.pod_detail_rules import env_from, resource_name, seccomp
from kubeschema.metadata_rules import at_least, one_of

Object = dict[str, Any]

_PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
_PULL: Final = ("Always", "IfNotPresent", "Never")
_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc")
_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
# Fields of a pod that a variable may contain.
_POD_FIELDS: Final = frozenset(
    {
        *("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName"),
        *("status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"),
    }
)
_POD_MAP: Final = re.compile(r"metadata\.(labels|annotations)\['[^']+'\]")
_COUNTS: Final = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
)


def containers(given: Sequence[Object], path: str, volumes: frozenset[str], seen: set[str]) -> list[Cause]:
    """Validate the containers of a pod whose volumes have these names. `seen`: names of earlier containers."""
    out = []
    for at, item in enumerate(given):
        here = f"{path}[{at}]"
        out += unique_name(item, seen, here)
        out += _container(item, here, volumes)
    return out


def unique_name(item: Object, seen: set[str], path: str) -> list[Cause]:
    """Validate the name of a list item: it is a DNS label, and no earlier item has it. Adds it to `seen`."""
    name = item.get("name", "")
    if not name:
        causes = [required(f"{path}.name")]
    elif name in seen:
        causes = [duplicate(f"{path}.name", name)]
    else:
        causes = [invalid(f"{path}.name", name, text) for text in names.label(name)]
    seen.add(name)
    return causes


def _container(item: Object, path: str, volumes: frozenset[str]) -> list[Cause]:
    image = item.get("image", "")
    out = [] if image else [required(f"{path}.image")]
    if image != image.strip():
        out.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    out += one_of(item.get("imagePullPolicy"), _PULL, f"{path}.imagePullPolicy")
    out += one_of(
        item.get("terminationMessagePolicy"), ("File", "FallbackToLogsOnError"), f"{path}.terminationMessagePolicy"
    )
    out += _ports(item.get("ports") or (), f"{path}.ports")
    out += _environment(item.get("env") or (), f"{path}.env")
    out += env_from(item.get("envFrom") or (), f"{path}.envFrom")
    out += _mounts(item.get("volumeMounts") or (), f"{path}.volumeMounts", volumes)
    out += resources(item.get("resources") or {}, f"{path}.resources")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if item.get(name) is not None:
            out += _probe(item[name], f"{path}.{name}", once=name != "readinessProbe")
    for hook, handler in (item.get("lifecycle") or {}).items():
        if isinstance(handler, dict):
            out += _handler(handler, f"{path}.lifecycle.{hook}", (*_HANDLERS[:3], "sleep"))
    out += choices(item, CONTAINER, path)
    return out + _security(item.get("securityContext") or {}, f"{path}.securityContext")


def _ports(ports: Sequence[Object], path: str) -> list[Cause]:
    out = []
    seen: set[str] = set()
    for at, port in enumerate(ports):
        here = f"{path}[{at}]"
        name = port.get("name")
        if name:
            wrong = names.port_name(name)
            out += [invalid(f"{here}.name", name, text) for text in wrong]
            if name in seen and not wrong:
                out.append(duplicate(f"{here}.name", name))
            seen.add(name)
        number = port.get("containerPort")
        if not number:
            out.append(required(f"{here}.containerPort"))
        else:
            out += port_number(number, f"{here}.containerPort")
        if port.get("hostPort"):
            out += port_number(port["hostPort"], f"{here}.hostPort")
        out += one_of(port.get("protocol"), _PROTOCOLS, f"{here}.protocol")
    return out


def port_number(number: Any, path: str) -> list[Cause]:
    """Validate a port number: 1..65535."""
    return [invalid(path, number, text) for text in names.port_number(number)]


def port_reference(port: Any, path: str) -> list[Cause]:
    """Validate a port number or port name."""
    if isinstance(port, str):
        return [invalid(path, port, text) for text in names.port_name(port)]
    return port_number(port, path)


def _environment(variables: Sequence[Object], path: str) -> list[Cause]:
    out = []
    for at, variable in enumerate(variables):
        name = variable.get("name", "")
        if not name:
            out.append(required(f"{path}[{at}].name"))
        else:
            out += [invalid(f"{path}[{at}].name", name, text) for text in names.env_name(name)]
        if variable.get("valueFrom") is not None:
            out += _value_from(variable, f"{path}[{at}].valueFrom")
    return out


def _value_from(variable: Object, path: str) -> list[Cause]:
    source = variable["valueFrom"]
    given = [name for name in _SOURCES if source.get(name) is not None]
    if not given:
        message = (
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        )
        return [invalid(path, "", message)]
    if variable.get("value"):
        return [invalid(path, "", "may not be specified when `value` is not empty")]
    if len(given) > 1:
        return [invalid(path, "", "may not have more than one field specified at a time")]
    name = given[0]
    if name == "resourceFieldRef":
        return list(resource_reference(source[name], f"{path}.{name}"))
    if name == "fieldRef":
        return _field_reference(source[name], f"{path}.{name}.fieldPath")
    return _key_reference(source[name], f"{path}.{name}") if name in {"configMapKeyRef", "secretKeyRef"} else []


def _field_reference(reference: Object, path: str) -> list[Cause]:
    field = reference.get("fieldPath", "")
    if not field:
        return [required(path)]
    if field in _POD_FIELDS or _POD_MAP.fullmatch(field):
        return []
    return [invalid(path, field, f"error converting fieldPath: field label not supported: {field}")]


def _key_reference(reference: Object, path: str) -> list[Cause]:
    name, key = reference.get("name", ""), reference.get("key", "")
    out = [invalid(f"{path}.name", name, text) for text in names.subdomain(name)]
    if not key:
        return [*out, required(f"{path}.key")]
    return out + [invalid(f"{path}.key", key, text) for text in names.config_key(key)]


def _mounts(mounts: Sequence[Object], path: str, volumes: frozenset[str]) -> list[Cause]:
    out = []
    seen: set[str] = set()
    for at, mount in enumerate(mounts):
        name, where = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            out.append(required(f"{path}[{at}].name"))
        elif name not in volumes:
            out.append(not_found(f"{path}[{at}].name", name))
        if not where:
            out.append(required(f"{path}[{at}].mountPath"))
        elif where in seen:
            out.append(invalid(f"{path}[{at}].mountPath", where, "must be unique"))
        seen.add(where)
        if ".." in mount.get("subPath", "").split("/"):
            out.append(invalid(f"{path}[{at}].subPath", mount["subPath"], "must not contain '..'"))
    return out


def resources(given: Object, path: str) -> list[Cause]:
    """Validate requests and limits."""
    limits, requests = given.get("limits") or {}, given.get("requests") or {}
    out = _amounts(limits, f"{path}.limits") + _amounts(requests, f"{path}.requests")
    for name, value in requests.items():
        limit = limits.get(name)
        if limit is not None and quantity.compare(value, limit) > 0:
            out.append(invalid(f"{path}.requests", value, f"must be less than or equal to {name} limit of {limit}"))
    return out


def _amounts(given: Object, path: str) -> list[Cause]:
    out = []
    for name, value in given.items():
        out += [invalid(f"{path}[{name}]", name, text) for text in names.qualified(name)] or resource_name(
            name, f"{path}[{name}]"
        )
        if quantity.compare(value, 0) < 0:
            out.append(invalid(f"{path}[{name}]", value, "must be greater than or equal to 0"))
    return out


def _probe(probe: Object, path: str, *, once: bool) -> list[Cause]:
    out = _handler(probe, path, _HANDLERS)
    for name in _COUNTS:
        out += at_least(probe.get(name), 0, f"{path}.{name}")
    threshold = probe.get("successThreshold")
    if once and threshold not in {None, 1}:
        out.append(invalid(f"{path}.successThreshold", threshold, "must be 1"))
    return out


def _handler(handler: Object, path: str, kinds: tuple[str, ...]) -> list[Cause]:
    given = [name for name in kinds if handler.get(name) is not None]
    if not given:
        return [required(path, "must specify a handler type")]
    out = [forbidden(f"{path}.{name}", "may not specify more than 1 handler type") for name in given[1:]]
    action = handler[given[0]]
    here = f"{path}.{given[0]}"
    if given[0] == "exec":
        return out if action.get("command") else [*out, required(f"{here}.command")]
    if given[0] in {"httpGet", "tcpSocket"}:
        out += port_reference(action.get("port"), f"{here}.port")
    if given[0] == "grpc":
        out += port_number(action.get("port"), f"{here}.port")
    if given[0] == "httpGet":
        out += [] if action.get("path") else [required(f"{here}.path")]
        if action.get("scheme") not in {"HTTP", "HTTPS"}:
            out.append(not_supported(f"{here}.scheme", action.get("scheme"), ("HTTP", "HTTPS")))
    return out


def _security(context: Object, path: str) -> list[Cause]:
    out = seccomp(context, path)
    for name in ("runAsUser", "runAsGroup"):
        if context.get(name) is not None and context[name] < 0:
            message = "must be between 0 and 2147483647, inclusive"
            out.append(invalid(f"{path}.{name}", context[name], message))
    if context.get("allowPrivilegeEscalation") is False and context.get("privileged"):
        message = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        out.append(invalid(path, context, message))
    return out
