"""Tables of Services, Ingresses and NetworkPolicies."""

from typing import Any

from localkube.apiserver.http.tables import cells
from localkube.apiserver.http.tables.columns import AGE, NAME, Column
from localkube.meta.status import Object

_NET = "=networking:k8s:io/v1"
_SHOWN = 3  # hosts that a cell names


SERVICE = (
    NAME,
    Column("Type", "=Service.spec.type"),
    Column("Cluster-IP", "=Service.spec.clusterIP"),
    Column("External-IP", "=Service.spec.externalIPs"),
    Column("Port(s)", "=Service.spec.ports"),
    AGE,
    Column("Selector", "=Service.spec.selector", wide=True),
)


def service(obj: Object) -> list[Any]:
    """The cells of a Service."""
    name, age = cells.name_age(obj)
    spec = obj["spec"]
    ports = ",".join(
        f"{p.get('port')}:{p['nodePort']}/{p.get('protocol', 'TCP')}"
        if p.get("nodePort")
        else f"{p.get('port')}/{p.get('protocol', 'TCP')}"
        for p in spec.get("ports") or ()
    )
    kind = spec.get("type", "ClusterIP")
    address = spec.get("clusterIP") or cells.NONE
    return [name, kind, address, _external(obj), ports or cells.NONE, age, cells.selector(spec.get("selector"))]


def _external(obj: Object) -> str:
    spec = obj["spec"]
    addresses = list(spec.get("externalIPs") or ())
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    if spec.get("type") == "LoadBalancer":
        found = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
        addresses += [i.get("ip") or i.get("hostname", "") for i in found]
        return ",".join(addresses) or "<pending>"
    return ",".join(addresses) or cells.NONE


INGRESS = (
    NAME,
    Column("Class", "The name of the IngressClass resource that should be used for additional configuration"),
    Column("Hosts", "Hosts that incoming requests are matched against before the ingress rule"),
    Column("Address", "Address is a list containing ingress points for the load-balancer"),
    Column("Ports", "Ports of TLS configurations that open"),
    AGE,
)


def ingress(obj: Object) -> list[Any]:
    """The cells of an Ingress."""
    name, age = cells.name_age(obj)
    spec = obj["spec"]
    hosts = [r["host"] for r in spec.get("rules") or () if r.get("host")]
    more = f" + {len(hosts) - _SHOWN} more..." if len(hosts) > _SHOWN else ""
    points = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    address = ",".join(p.get("ip") or p.get("hostname", "") for p in points)
    ports = "80, 443" if spec.get("tls") else "80"
    return [
        name,
        spec.get("ingressClassName") or cells.NONE,
        ",".join(hosts[:_SHOWN]) + more or "*",
        address,
        ports,
        age,
    ]


NETWORK_POLICY = (NAME, Column("Pod-Selector", f"{_NET}/NetworkPolicy.spec.podSelector"), AGE)


def network_policy(obj: Object) -> list[Any]:
    """The cells of a NetworkPolicy."""
    name, age = cells.name_age(obj)
    return [name, cells.selector((obj.get("spec") or {}).get("podSelector")), age]
