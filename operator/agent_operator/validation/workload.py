"""Validation of replicas, environment, resources, probes and ports."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agent_operator.api.constants import METRICS_PORT
from agent_operator.api.kubernetes_models import V1EnvVar
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import container_defaults, credentials, quantities, references
from agent_operator.inputs.agent_inputs import DEFAULT_MAX_REPLICAS, DEFAULT_REPLICAS, Inputs
from agent_operator.validation import naming

_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_HUGE_PAGES = re.compile(r"hugepages-[1-9][0-9]{0,4}[KMG]i")
_MINIMUM = {
    "initialDelaySeconds": 0,
    "timeoutSeconds": 1,
    "periodSeconds": 1,
    "successThreshold": 1,
    "failureThreshold": 1,
}


def numbers_agree(inputs: Inputs) -> Iterator[Problem]:
    autoscaling, budget = inputs.autoscaling, inputs.spec.disruption_budget
    if autoscaling and inputs.fewest_replicas > (autoscaling.max_replicas or DEFAULT_MAX_REPLICAS):
        message = f"must not exceed maxReplicas (defaults: {DEFAULT_REPLICAS} and {DEFAULT_MAX_REPLICAS}): change one"
        yield Problem(SpecReason.FIELD_CONFLICT, "spec.autoscaling.minReplicas", message)
    if budget and budget.min_available is not None and budget.max_unavailable is not None:
        message = "minAvailable and maxUnavailable are mutually exclusive: remove one"
        yield Problem(SpecReason.FIELD_CONFLICT, "spec.disruptionBudget", message)


def env_is_valid(inputs: Inputs) -> Iterator[Problem]:
    from_secrets = {key.name: "spec.credentials" for key in credentials.keys(inputs)}
    from_secrets |= {key.variable: key.field for key in inputs.secret_variables}
    names: set[str] = set()
    for index, variable in enumerate(inputs.spec.env or ()):
        field, name = f"spec.env[{index}]", variable.name
        if not _ENV_NAME.fullmatch(name):
            yield Problem(SpecReason.ENV_INVALID, f"{field}.name", "not a valid environment variable name: correct it")
        elif refused := credentials.refusal(name, variable.value):
            yield Problem(SpecReason.ENV_INVALID, field, refused)
        elif name in from_secrets or name in names:
            where = from_secrets.get(name, "spec.env")
            yield Problem(SpecReason.ENV_INVALID, field, f"{name} is already set by {where}: remove one")
        if variable.value is not None and variable.value_from is not None:
            yield Problem(SpecReason.ENV_INVALID, field, "value and valueFrom are mutually exclusive: remove one")
        yield from _reference_is_named(field, variable)
        yield from _divisor_is_valid(field, variable)
        names.add(name)


def _reference_is_named(field: str, variable: V1EnvVar) -> Iterator[Problem]:
    source = variable.value_from
    named = {
        "secretKeyRef": source.secret_key_ref if source else None,
        "configMapKeyRef": source.config_map_key_ref if source else None,
    }
    for kind, reference in named.items():
        if reference is not None and not reference.name:
            message = f"required: name the {'Secret' if kind == 'secretKeyRef' else 'ConfigMap'}"
            yield Problem(SpecReason.ENV_INVALID, f"{field}.valueFrom.{kind}.name", message)


def sources_are_limited(inputs: Inputs) -> Iterator[Problem]:
    """The operator polls each Secret and ConfigMap of the environment to detect new data."""
    named = {(source.kind, source.name) for source in (*references.required(inputs), *references.of(inputs))}
    if len(named) > references.LIMIT:
        message = (
            f"the environment references {len(named)} Secrets and ConfigMaps, but at most {references.LIMIT} are "
            "allowed: merge some of them"
        )
        yield Problem(SpecReason.ENV_INVALID, "spec.env", message)


def _divisor_is_valid(field: str, variable: V1EnvVar) -> Iterator[Problem]:
    source = variable.value_from.resource_field_ref if variable.value_from else None
    try:
        quantities.parse(source.divisor if source and source.divisor else 1)
    except ValueError as error:
        path = f"{field}.valueFrom.resourceFieldRef.divisor"
        yield Problem(SpecReason.ENV_INVALID, path, f"{error}: correct it")


def resources_are_consistent(inputs: Inputs) -> Iterator[Problem]:
    """Amounts must be valid quantities, not negative, and no request may exceed its limit."""
    spec = inputs.spec.resources
    try:
        amounts_by_kind = container_defaults.resources(spec)
    except ValueError as error:
        yield Problem(SpecReason.RESOURCES_INVALID, "spec.resources", f"an amount is {error}: correct it")
        return
    for kind, amounts in amounts_by_kind.items():
        for name, amount in amounts.items():
            if quantities.parse(amount) < 0:
                yield Problem(
                    SpecReason.RESOURCES_INVALID, f"spec.resources.{kind}.{name}", "must not be negative: correct it"
                )
    for name, limit in amounts_by_kind["limits"].items():
        if name in amounts_by_kind["requests"] and quantities.parse(
            amounts_by_kind["requests"][name]
        ) > quantities.parse(limit):
            message = f"exceeds the limit of {limit}: lower it, or raise limits.{name}"
            yield Problem(SpecReason.RESOURCES_INVALID, f"spec.resources.requests.{name}", message)
    yield from _extended_amounts_agree(amounts_by_kind)


def _extended_amounts_agree(amounts_by_kind: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    for name, request in amounts_by_kind["requests"].items():
        limit = amounts_by_kind["limits"].get(name, request)
        if not container_defaults.overcommits(name) and quantities.parse(request) < quantities.parse(limit):
            message = f"must equal the limit of {limit}, because it cannot be overcommitted: set only limits"
            yield Problem(SpecReason.RESOURCES_INVALID, f"spec.resources.requests[{name}]", message)


def resources_are_known(inputs: Inputs) -> Iterator[Problem]:
    """Kubernetes accepts its own resources, huge pages, and extended resources with a domain in whole numbers."""
    spec = inputs.spec.resources
    for kind in ("requests", "limits"):
        for name, amount in ((spec and getattr(spec, kind)) or {}).items():
            field = f"spec.resources.{kind}[{name[:63]}]"
            if name in container_defaults.NATIVE:
                continue
            if not _HUGE_PAGES.fullmatch(name) and not _is_extended(name):
                message = (
                    "not a resource of a container: use cpu, memory, ephemeral-storage, hugepages-SIZE, or an extended "
                    "resource such as nvidia.com/gpu"
                )
                yield Problem(SpecReason.RESOURCES_INVALID, field, message)
            elif not _HUGE_PAGES.fullmatch(name) and not _is_whole(amount):
                message = "an extended resource must be a whole number: round it"
                yield Problem(SpecReason.RESOURCES_INVALID, field, message)


def _is_extended(name: str) -> bool:
    domain, slash, _ = name.partition("/")
    if not slash or domain.startswith("requests.") or not naming.is_metadata_key(name):
        return False
    return domain != "kubernetes.io" and not domain.endswith(".kubernetes.io")


def _is_whole(amount: str | int) -> bool:
    try:
        parsed = quantities.parse(amount)
    except ValueError:
        return True  # resources_are_consistent reports it
    return parsed == parsed.to_integral_value()


def probes_are_valid(inputs: Inputs) -> Iterator[Problem]:
    """A probe has one handler, and its numbers are in the range of Kubernetes."""
    for kind, changes in container_defaults.probe_overrides(inputs.spec.probes).items():
        field = f"spec.probes.{kind}"
        handlers = [handler for handler in container_defaults.HANDLERS if handler in changes]
        if len(handlers) > 1:
            message = f"{' and '.join(handlers)} are mutually exclusive: remove one"
            yield Problem(SpecReason.PROBE_INVALID, field, message)
        for name, minimum in _MINIMUM.items():
            if name in changes and changes[name] < minimum:
                yield Problem(SpecReason.PROBE_INVALID, f"{field}.{name}", f"must be at least {minimum}: raise it")
        for handler in ("httpGet", "tcpSocket"):
            if (changes.get(handler) or {}).get("host"):
                message = "makes the node call another host, which Pod Security rejects: remove it"
                yield Problem(SpecReason.PROBE_INVALID, f"{field}.{handler}.host", message)
        yield from _fits_the_kind(kind, changes)


def _fits_the_kind(kind: str, changes: dict[str, Any]) -> Iterator[Problem]:
    if kind == "readiness":
        if "terminationGracePeriodSeconds" in changes:
            field = f"spec.probes.{kind}.terminationGracePeriodSeconds"
            yield Problem(
                SpecReason.PROBE_INVALID,
                field,
                "not allowed for a readiness probe, which never stops the container: remove it",
            )
    elif changes.get("successThreshold", 1) > 1:
        yield Problem(
            SpecReason.PROBE_INVALID, f"spec.probes.{kind}.successThreshold", f"must be 1 for a {kind} probe: remove it"
        )


def ports_differ(inputs: Inputs) -> Iterator[Problem]:
    """The two ports of the Service must differ."""
    service = inputs.spec.service
    if service and (service.port or 80) == (service.metrics_port or METRICS_PORT):
        message = f"port and metricsPort are both {service.port or 80}: change one of them"
        yield Problem(SpecReason.PORT_CONFLICT, "spec.service.port", message)
