"""Converts one Deployment, and the objects around it, into an AgentDeployment."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agent_operator import validation
from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.api.v1alpha1 import AgentDeploymentSpec
from agent_operator.render import render
from agent_operator.render.pod import CLOSE_SECONDS, DRAIN_SECONDS
from agent_runtime.config import LimitsConfig
from agentctl.conversion import (
    config,
    exposure,
    identity,
    pod_template,
    pods,
    policy,
    rules,
    scaling,
    secrets,
    validity,
)
from agentctl.conversion.comparison import Comparison, compare
from agentctl.conversion.defaults import normalized
from agentctl.conversion.differences import Difference, differences
from agentctl.conversion.findings import Finding, ObjectFinding, Outcome, changed
from agentctl.conversion.object_outcomes import object_findings
from agentctl.conversion.parts import Part, joined
from agentctl.conversion.rules import Rule
from agentctl.conversion.shortening import shortened
from agentctl.conversion.workload import AGENT_FIELD, Workload
from agentctl.errors import CommandError
from agentctl.objects import Object, nested_field

_TEMPLATE = "spec.podTemplate."
_VOLUMES = "spec.template.spec.volumes["
_REQUEST_TIMEOUT = LimitsConfig().request_timeout_seconds


@dataclass(frozen=True, slots=True)
class Conversion:
    """The AgentDeployment of one Deployment.

    Attributes:
        workload: what it was converted from.
        agent: the AgentDeployment.
        findings: fields that are changed, added or lost.
        objects: what becomes of each object.
        comparison: how many fields are kept.
        manifests: what the operator renders from the AgentDeployment.
        warnings: what the operator will warn about.
    """

    workload: Workload
    agent: Object
    findings: tuple[Finding, ...]
    objects: tuple[ObjectFinding, ...]
    comparison: Comparison
    manifests: tuple[Object, ...]
    warnings: tuple[Problem, ...] = ()


def convert(workload: Workload) -> Conversion:
    """Convert one Deployment.

    Raises:
        InvalidManifestsError: agent.toml is not valid.
        CommandError: no valid AgentDeployment can be made of it.
    """
    if not workload.pod.get("containers"):
        raise CommandError(f"{workload.deployment.title}: spec.template.spec.containers is empty: add a container")
    part = _parts(workload)
    spec, removed = validity.valid(workload, _ordered(part.spec))
    expected = pod_template.expected_template(workload, nested_field(spec, "apiKeys", "secretKeyRef", "name"))
    spec, more = _with_template(workload, spec, expected)
    removed |= more
    spec, closed = _without_derived_egress(workload, spec)
    spec = shortened(spec, lambda candidate: _normalized(validity.rendered(workload, candidate)))
    inputs = validity.checked(workload, spec)
    manifests = render(inputs).manifests
    known = (*part.findings, *closed, *_of_removed(workload, removed))
    deployment = workload.deployment.body | {"spec": workload.deployment.spec | {"template": expected}}
    pairs = ((workload.deployment, deployment), *part.expected, *_policy_metadata(part, manifests))
    own = (*_own_rules(workload, spec), *_rules_of_removed(removed, expected))
    comparison = compare(pairs, {item["kind"]: item for item in manifests}, known, own)
    objects, unselected = object_findings(workload, part, manifests)
    findings = _distinct((*known, *comparison.findings, *unselected))
    warnings = tuple(item for item in validation.warnings(inputs) if not _is_answered(workload, item))
    return Conversion(workload, validity.agent(workload, spec), findings, objects, comparison, manifests, warnings)


def _is_answered(workload: Workload, warning: Problem) -> bool:
    """Report whether the input answers a warning: the operator cannot see the annotations of a ServiceAccount."""
    account = workload.find("ServiceAccount", workload.pod.get("serviceAccountName"))
    annotated = account is not None and constants.ANNOTATION_CLIENT_ID in account.annotations
    return annotated and warning.reason == SpecReason.IDENTITY_NOT_ANNOTATED


def _normalized(manifests: Sequence[Object] | None) -> Sequence[Object] | None:
    return None if manifests is None else [normalized(item["kind"], item) for item in manifests]


def _parts(workload: Workload) -> Part:
    account = identity.identity(workload)
    own_account = workload.name if account.replaced else ""
    configured = config.config(workload)
    return joined(
        (
            configured,
            secrets.api_keys(workload, configured.spec["config"]),
            secrets.credentials(workload, own_account),
            account,
            pods.pods(workload),
            scaling.scaling(workload),
            exposure.exposure(workload),
            policy.network_policy(workload),
        )
    )


def _ordered(spec: Object) -> Object:
    """Return the spec in the order of the reference."""
    names = [field.alias or name for name, field in AgentDeploymentSpec.model_fields.items()]
    return {name: spec[name] for name in names if name in spec}


def _with_template(workload: Workload, spec: Object, expected: Object) -> tuple[Object, dict[str, str]]:
    """Add podTemplate with what the other fields do not express."""
    missing = [item for item in _template_differences(workload, spec, expected) if item.before is not None]
    own = _own_rules(workload, spec)
    needed = [
        item
        for item in missing
        if rules.explained((*own, *rules.CHANGED), "Deployment", f"spec.template.{item.field}") is None
    ]
    patch = pod_template.patch(needed)
    return validity.valid(workload, spec | {"podTemplate": patch}) if patch else (spec, {})


def _template_differences(workload: Workload, spec: Object, expected: Object) -> Iterable[Difference]:
    manifests = validity.rendered(workload, spec) or ()
    deployment = next(item for item in manifests if item["kind"] == "Deployment")
    return differences(expected, normalized("Deployment", deployment)["spec"]["template"])


def _own_rules(workload: Workload, spec: Object) -> tuple[Rule, ...]:
    """Return rules about paths that depend on the input."""
    mounts = re.escape(AGENT_FIELD) + r"\.volumeMounts\[{}\]"
    reason = "the operator mounts a directory, because files that are mounted by subPath are never updated"
    config_rules = [
        Rule("Deployment", mounts.format(re.escape(path)), reason) for path in pod_template.config_mounts(workload)
    ]
    grace = workload.pod.get("terminationGracePeriodSeconds")
    timeout = nested_field(spec, "config", "limits", "requestTimeoutSeconds") or _REQUEST_TIMEOUT
    if isinstance(grace, int) and grace < timeout + DRAIN_SECONDS + CLOSE_SECONDS:
        reason = "the operator waits for requests in progress: see spec.config.limits.requestTimeoutSeconds"
        config_rules.append(Rule("Deployment", r"spec\.template\.spec\.terminationGracePeriodSeconds", reason))
    if any(item.get("name") in ("PORT_HTTP", "PORT_METRICS") for item in workload.container.get("env") or ()):
        reason = "without the variables of its ports, the runtime listens on 8000 and 9090"
        config_rules.append(Rule("Deployment", rf"{re.escape(AGENT_FIELD)}\.ports", reason))
    return tuple(config_rules)


def _without_derived_egress(workload: Workload, spec: Object) -> tuple[Object, tuple[Finding, ...]]:
    """Remove egress rules that the operator derives from the config."""
    given: Object = spec.get("networkPolicy") or {}
    extra: list[Object] = given.get("extraEgress") or []
    if not extra:
        return spec, ()
    plain = {key: value for key, value in given.items() if key != "extraEgress"}
    candidates = (plain, plain | {"allowPrivateNetworks": True})
    derived = [_egress_rules(validity.rendered(workload, spec | {"networkPolicy": item})) for item in candidates]
    needed = [[rule for rule in extra if not policy.is_covered(rule, rules_of)] for rules_of in derived]
    best = 0 if len(needed[0]) <= len(needed[1]) else 1
    reason = "the operator opens the same ports, but not to metadata services, which serve the credentials of the node"
    findings = tuple(
        changed(source, f"spec.egress[{number}]", reason)
        for source in workload.of_kind("NetworkPolicy")
        for number, rule in enumerate(source.spec.get("egress") or ())
        if rule in extra and rule not in needed[best] and rule not in derived[best]
    )
    rest = {"extraEgress": needed[best]} if needed[best] else {}
    return spec | {"networkPolicy": candidates[best] | rest}, findings


def _egress_rules(manifests: Iterable[Object] | None) -> list[Object]:
    policies = [normalized(item["kind"], item) for item in manifests or () if item["kind"] == "NetworkPolicy"]
    return [rule for item in policies for rule in item["spec"].get("egress") or ()]


def _policy_metadata(part: Part, manifests: Iterable[Object]) -> Iterator[tuple[Any, Object]]:
    """Yield NetworkPolicies and ConfigMaps with the spec or data of the operator: the converters compare these."""
    targets = {item["kind"]: item for item in manifests}
    for source in part.replaced:
        if source.kind in ("NetworkPolicy", "ConfigMap") and source.kind in targets:
            target = normalized(source.kind, targets[source.kind])
            rest = {key: value for key, value in target.items() if key not in ("metadata", "kind")}
            yield source, {"kind": source.kind, "metadata": source.body["metadata"], **rest}


def _of_removed(workload: Workload, removed: dict[str, str]) -> Iterator[Finding]:
    """Yield fields of the spec that were left out. Those of podTemplate are fields of the Deployment."""
    for field, message in removed.items():
        if not field.startswith(_TEMPLATE):
            reason = f"{message}; the field is left out"
            yield Finding(workload.deployment.title, field, Outcome.LOST, reason, workload.deployment.place())


def _rules_of_removed(removed: dict[str, str], expected: Object) -> Iterator[Rule]:
    """Yield rules for what was left out of podTemplate, and for the mounts of a volume that was left out."""
    for field, message in removed.items():
        if not field.startswith(_TEMPLATE):
            continue
        path = f"spec.template.{field.removeprefix(_TEMPLATE)}"
        yield Rule("Deployment", re.escape(path), message, Outcome.LOST)
        if path.startswith(_VOLUMES):
            name = path.removeprefix(_VOLUMES).rstrip("]")
            for mount in _mounts(expected["spec"], name):
                yield Rule("Deployment", re.escape(mount), f"the volume {name} is left out", Outcome.LOST)


def _mounts(pod: Object, volume: str) -> Iterator[str]:
    for kind in ("initContainers", "containers"):
        for container in pod.get(kind) or ():
            for mount in container.get("volumeMounts") or ():
                if mount["name"] == volume:
                    yield f"spec.template.spec.{kind}[{container['name']}].volumeMounts[{mount['mountPath']}]"


def _distinct(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    order = (Outcome.LOST, Outcome.CHANGED, Outcome.ADDED)
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: order.index(finding.outcome)))
