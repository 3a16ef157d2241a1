"""The hosts and paths of an Ingress, from the short form and the list of the spec."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent_operator.api import constants
from agent_operator.api.v1alpha1.exposure import IngressHost, IngressPath, IngressSpec


@dataclass(frozen=True, slots=True)
class Host:
    """A host of the Ingress.

    Attributes:
        field: the path of its field in the spec.
        name: host name or wildcard.
        paths: each path, by the path of its field in the spec.
        tls_secret: name of the Secret with its certificate; None for that of the Ingress.
    """

    field: str
    name: str
    paths: Mapping[str, IngressPath]
    tls_secret: str | None = None


def hosts(spec: IngressSpec) -> tuple[Host, ...]:
    """Return the hosts, the one of the short form first."""
    default = {"spec.ingress.path": IngressPath(path=spec.path or "/", path_type=spec.path_type)}
    short = [Host("spec.ingress.host", spec.host, default)] if spec.host is not None else []
    return (*short, *(_host(f"spec.ingress.hosts[{index}]", it, default) for index, it in enumerate(spec.hosts or ())))


def _host(field: str, given: IngressHost, default: Mapping[str, IngressPath]) -> Host:
    own = {f"{field}.paths[{index}].path": path for index, path in enumerate(given.paths or ())}
    return Host(field, given.host, own or default, given.tls_secret_name)


def class_name(spec: IngressSpec) -> str | None:
    """Return the class; None for the default of the cluster, or if the annotation names the class.

    The API server accepts only one of field and annotation.
    """
    if constants.ANNOTATION_INGRESS_CLASS in (spec.annotations or {}):
        return None
    return constants.DEFAULT_INGRESS_CLASS if spec.class_name is None else spec.class_name or None


def first_url(spec: IngressSpec) -> str | None:
    """Return the URL of the first host that is no wildcard; None if there is none."""
    scheme = "https" if spec.tls else "http"
    named = (host for host in hosts(spec) if not host.name.startswith("*"))
    return next((f"{scheme}://{host.name}{next(iter(host.paths.values())).path}" for host in named), None)
