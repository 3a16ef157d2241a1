"""spec.service, spec.ingress, spec.gateway and spec.monitoring."""

from typing import Any

from agent_operator.api import constants
from agentctl.conversion.findings import changed
from agentctl.conversion.ingress import ingress
from agentctl.conversion.manifests import Manifest
from agentctl.conversion.parts import Part, joined, present
from agentctl.conversion.workload import Workload, selects
from agentctl.objects import Object, nested_field

# The operator sets the labels with this prefix itself.
_STANDARD = "app.kubernetes.io/"


def exposure(workload: Workload) -> Part:
    """Return service, ingress, gateway and monitoring."""
    services = services_of(workload)
    main = main_service(workload)
    if main is None:
        reason = "it has no port of the agent, so the operator does not replace it"
        unused = Part(stays=tuple((item, reason) for item in services))
        return joined((unused, _without_monitor()))
    others = Part(
        stays=tuple((item, "the operator creates one Service per agent") for item in services if item is not main)
    )
    return joined(
        (_service(workload, main), others, ingress(workload, main), _route(workload, main), _monitor(workload, main))
    )


def services_of(workload: Workload) -> tuple[Manifest, ...]:
    """Return the Services that select the pods."""
    return tuple(
        item
        for item in workload.of_kind("Service")
        if item.spec.get("selector") and selects({"matchLabels": item.spec["selector"]}, workload.labels)
    )


def main_service(workload: Workload) -> Manifest | None:
    """Return the Service with a port of the agent that the operator replaces; None if there is none."""
    found = [item for item in services_of(workload) if _port(workload, item, "http") is not None]
    named = [item for item in found if item.name in (workload.name, workload.deployment.name)]
    return next(iter((*named, *found)), None)


def port_numbers(workload: Workload, purpose: str) -> tuple[Any, ...]:
    """Return the names and numbers by which objects refer to the port of the agent for `http` or `metrics`."""
    number = constants.HTTP_PORT if purpose == "http" else constants.METRICS_PORT
    ports = workload.container.get("ports") or []
    named = [port for port in ports if port.get("name") == purpose or port.get("containerPort") == number]
    if not named and purpose == "http":
        named = ports[:1]
    return tuple(value for port in named for value in (port.get("containerPort"), port.get("name")) if value) or (
        number,
    )


def _port(workload: Workload, service: Manifest, purpose: str) -> Object | None:
    targets = port_numbers(workload, purpose)
    ports = service.spec.get("ports") or []
    found = [port for port in ports if port.get("targetPort", port["port"]) in targets or port.get("name") == purpose]
    return found[0] if found else None


def _service(workload: Workload, main: Manifest) -> Part:
    http, metrics = _port(workload, main, "http"), _port(workload, main, "metrics")
    if http is metrics:
        metrics = None
    spec = present(
        {
            "type": main.spec.get("type"),
            "port": http["port"] if http else None,
            "metricsPort": metrics["port"] if metrics else None,
            "annotations": dict(main.annotations) or None,
            "sessionAffinity": main.spec.get("sessionAffinity") if main.spec.get("sessionAffinity") != "None" else None,
            **_ip_families(main),
        }
    )
    ports = [
        port
        | ({"name": "http", "targetPort": "http"} if port is http else {})
        | ({"name": "metrics", "targetPort": "metrics"} if port is metrics else {})
        for port in main.spec.get("ports") or ()
    ]
    expected = main.body | {"spec": main.spec | {"ports": ports, "selector": {"app": workload.name}}}
    renamed = [
        (port, name) for port, name in ((http, "http"), (metrics, "metrics")) if port and port.get("name") != name
    ]
    findings = tuple(
        changed(
            main,
            f"spec.ports[{port['port']}].name",
            f"the operator names it {name}: callers that use the number still work",
        )
        for port, name in renamed
    )
    return Part({"service": spec} if spec else {}, findings, (main,), expected=((main, expected),))


def _ip_families(service: Manifest) -> Object:
    """Return the IP families of a Service, unless the API server chose them in a cluster with IPv4."""
    policy, families = service.spec.get("ipFamilyPolicy"), service.spec.get("ipFamilies")
    if policy in (None, "SingleStack") and families in (None, ["IPv4"]):
        return {}
    return present({"ipFamilyPolicy": policy, "ipFamilies": families})


def _route(workload: Workload, main: Manifest) -> Part:
    found = [item for item in workload.of_kind("HTTPRoute") if main.name in str(item.spec.get("rules"))]
    for source in found:
        parents, hostnames = source.spec.get("parentRefs"), source.spec.get("hostnames")
        known = {"name", "namespace", "sectionName"}
        if _leads_to(source, main) and isinstance(parents, list) and all(set(item) <= known for item in parents):
            rules = [
                {"backendRefs": [{"name": workload.name, "port": (_port(workload, main, "http") or {}).get("port")}]}
            ]
            expected = source.body | {"spec": source.spec | {"rules": rules}}
            stays = tuple(
                (item, "the operator creates one HTTPRoute per agent") for item in found if item is not source
            )
            spec = {"gateway": present({"parentRefs": parents, "hostnames": hostnames})}
            return Part(spec, replaced=(source,), stays=stays, expected=((source, expected),))
    why = f"spec.gateway has no matches and filters: let its backend be Service {workload.name}"
    return Part(stays=tuple((item, why) for item in found))


def _leads_to(route: Manifest, main: Manifest) -> bool:
    """Report whether all requests go to the Service unchanged."""
    rules = route.spec.get("rules")
    if not isinstance(rules, list) or len(rules) != 1 or not isinstance(rules[0], dict):
        return False
    everything = [{"path": {"type": "PathPrefix", "value": "/"}}]
    plain = set(rules[0]) <= {"backendRefs", "matches"} and rules[0].get("matches", everything) == everything
    backends = rules[0].get("backendRefs")
    return plain and isinstance(backends, list) and [nested_field(item, "name") for item in backends] == [main.name]


def _monitor(workload: Workload, main: Manifest) -> Part:
    found = workload.selecting("ServiceMonitor", main.labels)
    if not found:
        return _without_monitor()
    source = found[0]
    endpoints = source.spec.get("endpoints")
    interval = nested_field(endpoints[0], "interval") if isinstance(endpoints, list) and endpoints else None
    labels = nested_field(source.body, "metadata", "labels") or {}
    own = {key: value for key, value in labels.items() if not key.startswith(_STANDARD)}
    monitor = present({"interval": interval}) | {"labels": own}
    selector = {"matchLabels": {constants.LABEL_AGENT: workload.name}}
    reason = "the operator selects only the Service of this agent"
    findings = () if source.spec["selector"] == selector else (changed(source, "spec.selector", reason),)
    expected = source.body | {"spec": source.spec | {"selector": selector}}
    stays = tuple((item, "the operator creates one ServiceMonitor per agent") for item in found[1:])
    return Part({"monitoring": {"serviceMonitor": monitor}}, findings, (source,), stays, ((source, expected),))


def _without_monitor() -> Part:
    return Part({"monitoring": {"serviceMonitor": {"enabled": False}}})
