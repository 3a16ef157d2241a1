"""Validation of the Ingress and of the IP families of the Service."""

import re
from collections.abc import Iterator

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import ingress
from agent_operator.inputs.agent_inputs import Inputs

_BAD_PATH = re.compile(r"//|/\.{1,2}(/|$)|%2[fF]")
_BOTH = 2


def ingress_has_hosts(inputs: Inputs) -> Iterator[Problem]:
    spec = inputs.spec.ingress
    if spec is None:
        return
    if spec.host is None and not spec.hosts:
        yield Problem(SpecReason.FIELD_CONFLICT, "spec.ingress", "it names no host: set host or hosts")
    if spec.class_name is not None and constants.ANNOTATION_INGRESS_CLASS in (spec.annotations or {}):
        annotation = constants.ANNOTATION_INGRESS_CLASS
        message = f"Kubernetes accepts the class only once: remove the annotation {annotation}, or className"
        yield Problem(SpecReason.FIELD_CONFLICT, "spec.ingress.className", message)
    names: set[str] = set()
    for host in ingress.hosts(spec):
        if host.name in names:
            yield Problem(SpecReason.INGRESS_INVALID, host.field, f"{host.name} is listed twice: merge the two")
        if host.tls_secret and spec.tls is None:
            message = "requires spec.ingress.tls: set it, to {} for its defaults"
            yield Problem(SpecReason.FIELD_CONFLICT, f"{host.field}.tlsSecretName", message)
        names.add(host.name)


def ingress_paths_are_plain(inputs: Inputs) -> Iterator[Problem]:
    """Kubernetes rejects a path with //, /./, /../ or an escaped slash, unless only the controller interprets it."""
    hosts = ingress.hosts(inputs.spec.ingress) if inputs.spec.ingress else ()
    by_field = {field: path for host in hosts for field, path in host.paths.items()}
    for field, path in by_field.items():
        if path.path_type != "ImplementationSpecific" and _BAD_PATH.search(path.path):
            message = "contains //, /./, /../ or an escaped slash, which Kubernetes rejects: use a plain path"
            yield Problem(SpecReason.INGRESS_INVALID, field, message)


def ip_families_agree(inputs: Inputs) -> Iterator[Problem]:
    """Two families must differ, and require a dual-stack policy."""
    spec = inputs.spec.service
    families = (spec.ip_families if spec else None) or ()
    if spec is None or len(families) < _BOTH:
        return
    if len(set(families)) < _BOTH:
        message = "it names a family twice: remove one"
        yield Problem(SpecReason.FIELD_CONFLICT, "spec.service.ipFamilies", message)
    if spec.ip_family_policy in (None, "SingleStack"):
        message = "two families require ipFamilyPolicy PreferDualStack or RequireDualStack: set it or remove a family"
        yield Problem(SpecReason.FIELD_CONFLICT, "spec.service.ipFamilies", message)
