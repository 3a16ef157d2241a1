"""Validation of the smaller parts of pods: DNS, host aliases, gates, volume items, envFrom and resource names."""

import ipaddress
from collections.abc import Sequence
from typing import Any, Final

from kubeschema import names
from kubeschema.errors import Cause, forbidden, invalid, not_supported, required

Object = dict[str, Any]

_STANDARD_RESOURCES: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
_EFFECTS: Final = ("NoExecute", "NoSchedule", "PreferNoSchedule")
_GROUP_POLICIES: Final = ("Always", "OnRootMismatch")
_LARGEST_MODE: Final = 0o777


def pod_details(spec: Object, path: str) -> list[Cause]:
    """Validate fields of a pod spec that few pods have."""
    out = []
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            out += [invalid(f"{path}.{field}", spec[field], text) for text in names.label(spec[field])]
    out += _dns(spec, path)
    for at, alias in enumerate(spec.get("hostAliases") or ()):
        out += _address(alias.get("ip", ""), f"{path}.hostAliases[{at}].ip")
    for list_name, key in (("schedulingGates", "name"), ("readinessGates", "conditionType")):
        for at, gate in enumerate(spec.get(list_name) or ()):
            value = gate.get(key, "")
            out += [invalid(f"{path}.{list_name}[{at}].{key}", value, text) for text in names.qualified(value)]
    policy = (spec.get("securityContext") or {}).get("fsGroupChangePolicy")
    if policy is not None and policy not in _GROUP_POLICIES:
        out.append(not_supported(f"{path}.securityContext.fsGroupChangePolicy", policy, _GROUP_POLICIES))
    return out


def _dns(spec: Object, path: str) -> list[Cause]:
    config = spec.get("dnsConfig") or {}
    servers = config.get("nameservers") or []
    out = []
    for at, server in enumerate(servers):
        out += _address(server, f"{path}.dnsConfig.nameservers[{at}]")
    if spec.get("dnsPolicy") == "None" and not servers:
        message = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        out.append(required(f"{path}.dnsConfig.nameservers", message))
    for at, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            out.append(required(f"{path}.dnsConfig.options[{at}]", "must not be empty"))
    return out


def _address(text: str, path: str) -> list[Cause]:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return [invalid(path, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")]
    return []


def toleration_key(given: Object, path: str) -> list[Cause]:
    """Validate the key and the effect of a toleration."""
    key, effect = given.get("key"), given.get("effect")
    out = [invalid(f"{path}.key", key, text) for text in names.qualified(key)] if key else []
    return [*out, not_supported(f"{path}.effect", effect, _EFFECTS)] if effect and effect not in _EFFECTS else out


def volume_files(source: Object, path: str) -> list[Cause]:
    """Validate the modes and the items of the source of a volume."""
    out = _mode(source.get("defaultMode"), f"{path}.defaultMode")
    for at, item in enumerate(source.get("items") or ()):
        here = f"{path}.items[{at}]"
        out += _mode(item.get("mode"), f"{here}.mode")
        target = item.get("path", "")
        if not target:
            out.append(required(f"{here}.path"))
        elif target.startswith("/"):
            out.append(invalid(f"{here}.path", target, "must be a relative path"))
        elif ".." in target.split("/"):
            out.append(invalid(f"{here}.path", target, "must not contain '..'"))
    return out


def _mode(mode: Any, path: str) -> list[Cause]:
    if mode is None or 0 <= mode <= _LARGEST_MODE:
        return []
    return [invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive")]


def env_from(sources: Sequence[Object], path: str) -> list[Cause]:
    """Validate the sources of whole environments."""
    out = []
    for at, source in enumerate(sources):
        given = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        if len(given) != 1:
            message = "may not have more than one field specified at a time" if given else "must specify one of: "
            out.append(invalid(f"{path}[{at}]", "", message + ("" if given else "`configMapRef` or `secretRef`")))
            continue
        name = source[given[0]].get("name", "")
        out += [invalid(f"{path}[{at}].{given[0]}.name", name, text) for text in names.subdomain(name)]
    return out


def resource_name(name: str, path: str) -> list[Cause]:
    """Validate the name of a compute resource of a container."""
    if "/" in name or name in _STANDARD_RESOURCES or name.startswith("hugepages-"):
        return []
    return [invalid(path, name, "must be a standard resource for containers")]


def min_domains(constraint: Object, path: str) -> list[Cause]:
    """Validate the minimum number of domains of a spread constraint."""
    least = constraint.get("minDomains")
    if least is None:
        return []
    out = [] if least > 0 else [invalid(f"{path}.minDomains", least, "must be greater than 0")]
    if constraint.get("whenUnsatisfiable") != "DoNotSchedule":
        message = "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not "
        out.append(invalid(f"{path}.minDomains", least, message + str(constraint.get("whenUnsatisfiable"))))
    return out


def seccomp(context: Object, path: str) -> list[Cause]:
    """Validate the seccomp profile of a security context."""
    profile = context.get("seccompProfile") or {}
    local = profile.get("type") == "Localhost"
    if local and not profile.get("localhostProfile"):
        return [required(f"{path}.seccompProfile.localhostProfile", "must be set when seccomp type is Localhost")]
    return []


def no_deadline(template: Object, path: str) -> list[Cause]:
    """Validate that the pods of a Deployment have no deadline."""
    if (template.get("spec") or {}).get("activeDeadlineSeconds") is None:
        return []
    return [forbidden(f"{path}.activeDeadlineSeconds", "activeDeadlineSeconds in ReplicaSet is not Supported")]
