"""spec.ingress."""

from typing import Any

from agent_operator.api import constants
from agentctl.conversion.findings import Finding, changed
from agentctl.conversion.manifests import Manifest
from agentctl.conversion.parts import Part, present
from agentctl.conversion.workload import Workload
from agentctl.objects import Object, nested_field

_ISSUER = "cert-manager.io/cluster-issuer"
_BODY_SIZE = "nginx.ingress.kubernetes.io/proxy-body-size"
_TIMEOUT = "nginx.ingress.kubernetes.io/proxy-read-timeout"


def ingress(workload: Workload, main: Manifest) -> Part:
    """Return ingress. `main`: the Service that the operator replaces."""
    found = [item for item in workload.of_kind("Ingress") if main.name in _backends(item)]
    fitting = [item for item in found if _fits(item, main)]
    why = "its rules do not fit spec.ingress (hosts whose paths all lead to the agent): it needs no change"
    if main.name != workload.name:
        why = f"its rules do not fit spec.ingress (only hosts of the agent): let its backend be Service {workload.name}"
    stays = tuple((item, why) for item in found if item not in fitting[:1])
    if not fitting:
        return Part(stays=stays)
    source = fitting[0]
    backend = {"service": {"name": workload.name, "port": {"name": "http"}}}
    rules = [rule | {"http": {"paths": [_to_agent(path, backend) for path in _paths(rule)]}} for rule in _rules(source)]
    expected = source.body | {"spec": source.spec | {"rules": rules}}
    return Part({"ingress": _spec(source)}, _findings(source), (source,), stays, ((source, expected),))


def _spec(source: Manifest) -> Object:
    annotations = dict(source.annotations)
    # Without a class, the cluster has a default one.
    class_name = source.spec.get("ingressClassName") or annotations.get(constants.ANNOTATION_INGRESS_CLASS) or ""
    annotations.pop(constants.ANNOTATION_INGRESS_CLASS, None)
    tls = source.spec.get("tls") or []
    issuer = annotations.pop(_ISSUER, None) if tls else None
    fields = _hosts(source) | {"className": class_name}
    if tls:
        fields["tls"] = present({"secretName": tls[0].get("secretName"), "clusterIssuer": issuer})
    fields |= present({"maxBodySize": annotations.pop(_BODY_SIZE, None)})
    if annotations.get(_TIMEOUT, "").isdecimal():
        fields["readTimeoutSeconds"] = int(annotations.pop(_TIMEOUT))
    return fields | present({"annotations": annotations or None})


def _hosts(source: Manifest) -> Object:
    """Return the short form for the first host if it has one path, and a list of the other hosts."""
    first, *rest = _rules(source)
    short: Object = {}
    if len(_paths(first)) == 1:
        short = {"host": first["host"]} | present(_path(_paths(first)[0]))
    else:
        rest = _rules(source)
    return short | present({"hosts": [_host(source, rule) for rule in rest] or None})


def _host(source: Manifest, rule: Object) -> Object:
    tls = source.spec.get("tls") or []
    own = [item.get("secretName") for item in tls[1:] if rule["host"] in (item.get("hosts") or ())]
    paths = [{"path": "/"} | present(_path(path)) for path in _paths(rule)]
    return {"host": rule["host"], "paths": paths} | present({"tlsSecretName": own[0] if own else None})


def _path(path: Object) -> Object:
    kind = path.get("pathType")
    return {"path": path.get("path"), "pathType": None if kind == "Prefix" else kind}


def _to_agent(path: Object, backend: Object) -> Object:
    return path | {"backend": backend, "path": path.get("path") or "/"}


def _rules(source: Manifest) -> list[Object]:
    found: list[Object] = source.spec.get("rules") or []
    return found


def _paths(rule: Object) -> list[Any]:
    return nested_field(rule, "http", "paths") or []


def _findings(source: Manifest) -> tuple[Finding, ...]:
    if constants.ANNOTATION_INGRESS_CLASS not in source.annotations:
        return ()
    reason = "deprecated: the operator sets spec.ingressClassName"
    return (changed(source, f"metadata.annotations[{constants.ANNOTATION_INGRESS_CLASS}]", reason),)


def _backends(source: Manifest) -> set[str]:
    """Return the names of the Services of an Ingress."""
    paths = [path for rule in _rules(source) for path in _paths(rule)]
    backends = [source.spec.get("defaultBackend"), *(path.get("backend") for path in paths)]
    return {name for backend in backends if isinstance(name := nested_field(backend, "service", "name"), str)}


def _fits(source: Manifest, main: Manifest) -> bool:
    """Report whether spec.ingress can express the rules."""
    rules, tls = _rules(source), source.spec.get("tls") or []
    hosts = [rule.get("host") or "" for rule in rules]
    if not all(hosts) or len(set(hosts)) < len(hosts) or not hosts or source.spec.get("defaultBackend"):
        return False
    if not all(_paths(rule) for rule in rules) or _backends(source) != {main.name}:
        return False
    # The first certificate is that of every host without one of its own.
    encrypted = [host for item in tls for host in item.get("hosts") or ()]
    return len(tls) == 0 or (len(tls) == 1 and encrypted == []) or sorted(encrypted) == sorted(hosts)
