"""Whether the IngressClass and the cert-manager issuers that an Ingress names exist, and who serves the class."""

import re
from collections.abc import Callable, Iterator, Mapping

from agent_operator.api.base import SUBDOMAIN_PATTERN
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import ingress, ingress_auth
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube import shapes
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Object
from agent_operator.kube.resources import CLUSTER_ISSUER, INGRESS_CLASS, ISSUER, Kind
from agent_operator.kube.transport import ApiError
from agent_runtime.config import identifies_callers
from agent_runtime.config.terminal import printable

# Seconds for which an object is known to exist. All agents share what was read, so that they cause few requests.
_LIFETIME = 600.0
_MOST_CACHED = 4_096
_LONGEST_NAME = 253
_INGRESS_NGINX = "k8s.io/ingress-nginx"
_ISSUERS: Mapping[str, Kind] = {"cert-manager.io/cluster-issuer": CLUSTER_ISSUER, "cert-manager.io/issuer": ISSUER}
# Kind, namespace, name and the field that names it.
_Reference = tuple[Kind, str, str, str]


class IngressReferences:
    """Reads whether objects exist, and caches the result. An object that the operator may not read counts as existing.

    The operator of a single namespace has no rights for cluster-scoped objects.
    """

    def __init__(self, cluster: Cluster, clock: Callable[[], float], lifetime: float) -> None:
        """Create a reader. `lifetime`: seconds for which an object is known to be missing."""
        self._cluster = cluster
        self._clock = clock
        self._lifetime = lifetime
        # The time until which an entry is valid, and the controller of a class; None for an object that is missing.
        self._cached: dict[tuple[str, str, str], tuple[float, str | None]] = {}

    async def problems(self, inputs: Inputs) -> tuple[Problem, ...]:
        """Return a warning for each object that does not exist, or does not do what the spec relies on."""
        found = []
        for kind, namespace, name, field in _references(inputs):
            controller = await self._read(kind, namespace, name)
            if controller is None:
                found.append(_problem(kind, namespace, name, field))
            elif controller not in ("", _INGRESS_NGINX) and kind is INGRESS_CLASS and _relies_on_nginx(inputs):
                found.append(_unauthenticated(name, controller))
        return tuple(found)

    async def _read(self, kind: Kind, namespace: str, name: str) -> str | None:
        key, now = (kind.kind, namespace, name), self._clock()
        until, controller = self._cached.get(key, (0.0, ""))
        if now < until:
            return controller
        try:
            obj = await self._cluster.find_named(kind, name, namespace)
            controller = None if obj is None else _controller(obj)
        except ApiError:
            controller = ""
        if len(self._cached) >= _MOST_CACHED:
            self._cached.clear()
        self._cached[key] = (now + (self._lifetime / 2 if controller is None else _LIFETIME), controller)
        return controller


def _controller(obj: Object) -> str:
    return shapes.text(shapes.mapping(obj.get("spec")).get("controller"))[:_LONGEST_NAME]


def _relies_on_nginx(inputs: Inputs) -> bool:
    """Return whether only annotations of ingress-nginx protect the agent."""
    is_known = inputs.spec.api_keys is not None or identifies_callers(inputs.spec.config)
    return not is_known and ingress_auth.authenticates(inputs.spec)


def _unauthenticated(name: str, controller: str) -> Problem:
    message = (
        f"the controller {printable(controller)} of the IngressClass {name} ignores the annotations of ingress-nginx "
        "that authenticate callers, so any client that can connect can call the agent: set spec.apiKeys"
    )
    return Problem(SpecReason.EXPOSED_WITHOUT_AUTH, "spec.ingress", message)


def _references(inputs: Inputs) -> Iterator[_Reference]:
    wanted = inputs.spec.ingress
    if wanted is None:
        return
    if name := ingress.class_name(wanted):
        yield INGRESS_CLASS, "", name, "spec.ingress.className"
    annotations = wanted.annotations or {}
    issuer = wanted.tls.cluster_issuer if wanted.tls else None
    if issuer and "cert-manager.io/cluster-issuer" not in annotations:
        yield CLUSTER_ISSUER, "", issuer, "spec.ingress.tls.clusterIssuer"
    for annotation, kind in _ISSUERS.items():
        name = annotations.get(annotation)
        # A name with slashes would address another path of the API.
        if name and len(name) <= _LONGEST_NAME and re.fullmatch(SUBDOMAIN_PATTERN, name):
            yield kind, inputs.namespace if kind.namespaced else "", name, f"spec.ingress.annotations[{annotation}]"


def _problem(kind: Kind, namespace: str, name: str, field: str) -> Problem:
    if kind is INGRESS_CLASS:
        message = f"the IngressClass {name} does not exist, so that no controller serves the Ingress: install one, or "
        return Problem(SpecReason.INGRESS_CLASS_MISSING, field, f"{message}name one of `kubectl get ingressclass`")
    where = f" in the namespace {namespace}" if namespace else ""
    message = f"the {kind.kind} {name} of cert-manager does not exist{where}, so that the Ingress gets no certificate"
    return Problem(SpecReason.ISSUER_MISSING, field, f"{message}: create it, or correct the name")
