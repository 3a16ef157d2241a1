"""Validation of Services, Ingresses and NetworkPolicies."""

import ipaddress
from collections.abc import Sequence
from typing import Any, Final

from kubeschema import names
from kubeschema.errors import Cause, duplicate, forbidden, go_json, invalid, not_supported, required
from kubeschema.kinds.choice_rules import SERVICE, choices
from kubeschema.kinds.container_rules import port_number, port_reference
from kubeschema.metadata_rules import labels, one_of, selector

Object = dict[str, Any]

_TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_PATH_TYPES: Final = ("Exact", "ImplementationSpecific", "Prefix")
_CIDR: Final = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def service(obj: Object) -> list[Cause]:
    """Validate a Service without its metadata."""
    spec = obj.get("spec") or {}
    kind = spec.get("type", "")
    ports = spec.get("ports") or []
    headless = spec.get("clusterIP") == "None"
    out = []
    if not ports and not headless and kind != "ExternalName":
        out.append(required("spec.ports"))
    if kind == "ExternalName":
        out += _external_name(spec.get("externalName", ""))
    elif headless and kind in {"LoadBalancer", "NodePort"}:
        message = f"may not be set to 'None' for {kind} services"
        out.append(invalid("spec.clusterIPs[0]", "None", message))
    out += _service_ports(ports)
    out += labels(spec.get("selector"), "spec.selector")
    if spec.get("sessionAffinity") not in {"None", "ClientIP"}:
        out += one_of(spec.get("sessionAffinity"), ("ClientIP", "None"), "spec.sessionAffinity")
    out += one_of(kind, _TYPES, "spec.type")
    policy = spec.get("internalTrafficPolicy")
    if policy is not None:
        out += one_of(policy, ("Cluster", "Local"), "spec.internalTrafficPolicy")
    out += choices(spec, SERVICE, "spec")
    return out + _address(spec.get("clusterIP", ""))


def _address(address: str) -> list[Cause]:
    if address in {"", "None"}:
        return []
    try:
        ipaddress.ip_address(address)
    except ValueError:
        message = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        return [invalid("spec.clusterIPs[0]", address, message)]
    return []


def _external_name(name: str) -> list[Cause]:
    host = name.removesuffix(".")
    if not host:
        return [required("spec.externalName")]
    return [invalid("spec.externalName", host, text) for text in names.subdomain(host)]


def _service_ports(ports: Sequence[Object]) -> list[Cause]:
    out = []
    seen_names: set[str] = set()
    seen: set[tuple[Any, Any]] = set()
    for at, port in enumerate(ports):
        here = f"spec.ports[{at}]"
        name = port.get("name", "")
        if not name and len(ports) > 1:
            out.append(required(f"{here}.name"))
        elif name in seen_names:
            out.append(duplicate(f"{here}.name", name))
        elif name:
            out += [invalid(f"{here}.name", name, text) for text in names.label(name)]
        seen_names.add(name)
        out += port_number(port.get("port"), f"{here}.port")
        out += one_of(port.get("protocol"), _PROTOCOLS, f"{here}.protocol")
        out += port_reference(port.get("targetPort"), f"{here}.targetPort")
        key = (port.get("protocol"), port.get("port"))
        if key in seen:
            out.append(Cause("FieldValueDuplicate", f"Duplicate value: {_shown_port(port)}", here))
        seen.add(key)
    return out


def _shown_port(port: Object) -> str:
    """Format a port like the server's internal type, with its field names and order."""
    fields = {"Name": "", "Protocol": port.get("protocol"), "AppProtocol": None, "Port": port.get("port")}
    shown = {**fields, "TargetPort": 0, "NodePort": 0}
    return "{" + ",".join(f'"{key}":{go_json(value)}' for key, value in shown.items()) + "}"


def service_update(old: Object, new: Object) -> list[Cause]:
    """Validate an update of a Service: its cluster IP is immutable."""
    before, after = old["spec"], new["spec"]
    if "ExternalName" in {before.get("type"), after.get("type")} or not before.get("clusterIP"):
        return []
    if before["clusterIP"] == after.get("clusterIP"):
        return []
    return [invalid("spec.clusterIPs[0]", after.get("clusterIP"), "may not change once set")]


def ingress(obj: Object) -> list[Cause]:
    """Validate an Ingress without its metadata."""
    spec = obj.get("spec") or {}
    rules, default = spec.get("rules") or [], spec.get("defaultBackend")
    out = []
    if not rules and default is None:
        out.append(invalid("spec", spec, "either `defaultBackend` or `rules` must be specified"))
    if default is not None:
        out += _backend(default, "spec.defaultBackend")
    out += _secured(spec.get("tls") or ())
    for at, rule in enumerate(rules):
        if rule.get("host"):
            out += _host(rule["host"], f"spec.rules[{at}].host")
        if rule.get("http") is not None:
            out += _paths(rule["http"].get("paths") or [], f"spec.rules[{at}].http.paths")
    name = spec.get("ingressClassName")
    if name is not None:
        out += [invalid("spec.ingressClassName", name, text) for text in names.subdomain(name)]
    return out


def _secured(tls: Sequence[Object]) -> list[Cause]:
    out = []
    for at, block in enumerate(tls):
        for number, host in enumerate(block.get("hosts") or ()):
            out += _host(host, f"spec.tls[{at}].hosts[{number}]")
    return out


def _host(host: str, path: str) -> list[Cause]:
    check = names.wildcard if "*" in host else names.subdomain
    return [invalid(path, host, text) for text in check(host)]


def _paths(paths: Sequence[Object], path: str) -> list[Cause]:
    if not paths:
        return [required(path)]
    out = []
    for at, item in enumerate(paths):
        here = f"{path}[{at}]"
        kind, value = item.get("pathType"), item.get("path", "")
        if kind is None:
            out.append(required(f"{here}.pathType", "pathType must be specified"))
        elif kind not in _PATH_TYPES:
            out.append(not_supported(f"{here}.pathType", kind, _PATH_TYPES))
        elif (kind != "ImplementationSpecific" or value) and not value.startswith("/"):
            out.append(invalid(f"{here}.path", value, "must be an absolute path"))
        out += _backend(item.get("backend") or {}, f"{here}.backend")
    return out


def _backend(backend: Object, path: str) -> list[Cause]:
    service_ref, resource = backend.get("service"), backend.get("resource")
    if service_ref is not None and resource is not None:
        return [invalid(path, backend, "cannot set both resource and service backends")]
    if resource is not None:
        return []
    if service_ref is None:
        return [required(path, "resource or service backend is required")]
    name = service_ref.get("name", "")
    if not name:
        return [required(f"{path}.service.name")]
    out = [invalid(f"{path}.service.name", name, text) for text in names.label_1035(name)]
    return out + _backend_port(service_ref.get("port") or {}, f"{path}.service.port")


def _backend_port(port: Object, path: str) -> list[Cause]:
    if port.get("name") and port.get("number"):
        return [invalid(path, port, "cannot set both port name & port number")]
    if port.get("name"):
        return [invalid(f"{path}.name", port["name"], text) for text in names.port_name(port["name"])]
    if port.get("number"):
        return port_number(port["number"], f"{path}.number")
    return [required(path, "port name or number is required")]


def network_policy(obj: Object) -> list[Cause]:
    """Validate a NetworkPolicy without its metadata."""
    spec = obj.get("spec") or {}
    out = selector(spec.get("podSelector"), "spec.podSelector")
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for at, rule in enumerate(spec.get(direction) or ()):
            here = f"spec.{direction}[{at}]"
            for number, port in enumerate(rule.get("ports") or ()):
                out += _policy_port(port, f"{here}.ports[{number}]")
            for number, peer in enumerate(rule.get(peers) or ()):
                out += _peer(peer, f"{here}.{peers}[{number}]")
    for at, kind in enumerate(spec.get("policyTypes") or ()):
        if kind not in {"Ingress", "Egress"}:
            out.append(not_supported(f"spec.policyTypes[{at}]", kind, ("Egress", "Ingress")))
    return out


def _policy_port(port: Object, path: str) -> list[Cause]:
    out = one_of(port.get("protocol"), _PROTOCOLS, f"{path}.protocol")
    number, end = port.get("port"), port.get("endPort")
    if number is not None:
        out += port_reference(number, f"{path}.port")
    if end is not None and isinstance(number, int) and end < number:
        out.append(invalid(f"{path}.endPort", number, "must be greater than or equal to `port`"))
    elif end is not None and not isinstance(number, int):
        out.append(required(f"{path}.port", "must be a number if `endPort` is specified"))
    return out


def _peer(peer: Object, path: str) -> list[Cause]:
    block = peer.get("ipBlock")
    selectors = [name for name in ("podSelector", "namespaceSelector") if peer.get(name) is not None]
    out = []
    for name in selectors:
        out += selector(peer[name], f"{path}.{name}")
    if block is not None:
        out += _block(block, f"{path}.ipBlock")
    if block is None and not selectors:
        out.append(required(path, "must specify a peer"))
    elif block is not None and selectors:
        message = "may not specify both ipBlock and another peer"
        out.append(forbidden(path, message))
    return out


def _block(block: Object, path: str) -> list[Cause]:
    cidr = block.get("cidr", "")
    if not cidr:
        return [required(f"{path}.cidr")]
    whole = _network(cidr)
    if whole is None:
        return [invalid(f"{path}.cidr", cidr, _CIDR)]
    out = []
    for at, text in enumerate(block.get("except") or ()):
        part = _network(text)
        if part is None:
            out.append(invalid(f"{path}.except[{at}]", text, _CIDR))
        elif part.version != whole.version or part == whole or not part.subnet_of(whole):  # type: ignore[arg-type]  # the versions agree
            out.append(invalid(f"{path}.except[{at}]", text, "must be a strict subset of `cidr`"))
    return out


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None
