"""Whether the IngressClass and the cert-manager issuers that an Ingress names exist."""

import re
from collections.abc import Callable, Iterator, Mapping

from agent_operator.api.base import SUBDOMAIN_PATTERN
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import ingress
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.client import Cluster
from agent_operator.kube.resources import CLUSTER_ISSUER, INGRESS_CLASS, ISSUER, Kind
from agent_operator.kube.transport import ApiError

# Seconds for which an object is known to exist. All agents share what was read, so that they cause few requests.
_LIFETIME = 600.0
_MOST_CACHED = 4_096
_LONGEST_NAME = 253
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
        self._cached: dict[tuple[str, str, str], tuple[float, bool]] = {}

    async def problems(self, inputs: Inputs) -> tuple[Problem, ...]:
        """Return a warning for each object that does not exist."""
        missing = [it for it in _references(inputs) if not await self._exists(it[0], it[1], it[2])]
        return tuple(_problem(*reference) for reference in missing)

    async def _exists(self, kind: Kind, namespace: str, name: str) -> bool:
        key, now = (kind.kind, namespace, name), self._clock()
        until, exists = self._cached.get(key, (0.0, True))
        if now < until:
            return exists
        try:
            exists = await self._cluster.exists(kind, name, namespace)
        except ApiError:
            exists = True
        if len(self._cached) >= _MOST_CACHED:
            self._cached.clear()
        self._cached[key] = (now + (_LIFETIME if exists else self._lifetime / 2), exists)
        return exists


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
