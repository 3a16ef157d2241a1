"""Warnings about a valid spec that probably does not do what its author intends."""

from collections.abc import Iterator

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import credentials, disruption, endpoints, ingress, ingress_auth, proxy
from agent_operator.inputs.agent_inputs import Inputs
from agent_runtime.config import identifies_callers

_UNPRIVILEGED = 1024


def credentials_are_plain(inputs: Inputs) -> Iterator[Problem]:
    """Every user who can read the AgentDeployment can read the secrets in it."""
    if inputs.spec.credentials and inputs.spec.credentials.values:
        message = (
            "every user who can read this object can read these secrets: use secretRef or externalSecret in production"
        )
        yield Problem(SpecReason.PLAIN_CREDENTIALS, "spec.credentials.values", message)


def replicas_are_ignored(inputs: Inputs) -> Iterator[Problem]:
    """The autoscaler owns the number of replicas."""
    if inputs.autoscaling and inputs.spec.replicas is not None:
        message = "has no effect while spec.autoscaling is set: remove one of the two"
        yield Problem(SpecReason.REPLICAS_IGNORED, "spec.replicas", message)


def scale_is_readable(inputs: Inputs) -> Iterator[Problem]:
    """The scale subresource of a custom resource cannot be read without a number in the spec."""
    if inputs.spec.autoscaling and inputs.spec.autoscaling.external and inputs.spec.replicas is None:
        message = (
            "an autoscaler cannot read the scale subresource before replicas is set: set it to the number of pods to "
            f"start with, or run `kubectl scale agd/{inputs.name} -n {inputs.own_namespace} --replicas=1`"
        )
        yield Problem(SpecReason.REPLICAS_UNSET, "spec.replicas", message)


def autoscaler_targets_agent(inputs: Inputs) -> Iterator[Problem]:
    """An autoscaler that scales the Deployment would undo, and be undone by, the operator."""
    if inputs.other_autoscaler is None or inputs.autoscaling is not None:
        return
    left_alone = (
        "so the operator leaves its replicas alone" if inputs.fixed_replicas is None else "which has 0 replicas"
    )
    message = (
        f"the HorizontalPodAutoscaler {inputs.namespace}/{inputs.other_autoscaler.name} targets the Deployment "
        f"{inputs.name}, {left_alone}: let its scaleTargetRef be apiVersion {constants.API_VERSION}, kind "
        f"{constants.KIND}, name {inputs.name}"
    )
    yield Problem(SpecReason.AUTOSCALER_TARGETS_DEPLOYMENT, "spec.replicas", message)


def identity_is_overridden(inputs: Inputs) -> Iterator[Problem]:
    """The workload identity webhook does not override variables of the pod."""
    identity = inputs.spec.identity
    overriding = [key.name for key in credentials.keys(inputs) if key.name in credentials.IDENTITY_KEYS]
    if identity and identity.azure_workload_identity and overriding:
        message = f"the pods use {', '.join(overriding)} instead of the workload identity: remove one of the two"
        yield Problem(SpecReason.IDENTITY_OVERRIDDEN, "spec.credentials", message)


def account_must_be_annotated(inputs: Inputs) -> Iterator[Problem]:
    """The operator never changes a ServiceAccount that it does not own."""
    identity = inputs.spec.identity
    account = identity.service_account if identity else None
    if identity and identity.azure_workload_identity and account and account.name:
        message = (
            f"the operator does not own the ServiceAccount {account.name}: annotate it with "
            f"{constants.ANNOTATION_CLIENT_ID}"
        )
        yield Problem(SpecReason.IDENTITY_NOT_ANNOTATED, "spec.identity.serviceAccount.name", message)


def budget_is_lowered(inputs: Inputs) -> Iterator[Problem]:
    """A budget that allows no eviction would block every drain."""
    if disruption.budget(inputs.spec.disruption_budget, inputs.fewest_replicas).lowered:
        message = (
            f"it would block every drain of {inputs.fewest_replicas} replicas, so maxUnavailable 1 is in effect: allow "
            "an eviction, or add replicas"
        )
        yield Problem(SpecReason.BUDGET_LOWERED, "spec.disruptionBudget", message)


def service_ports_may_differ(inputs: Inputs) -> Iterator[Problem]:
    """A NetworkPolicy matches the port of the pods behind a Service, and few pods listen below 1024."""
    policy = inputs.spec.network_policy
    if policy and policy.enabled is False:
        return
    for endpoint in _endpoints(inputs):
        target = inputs.services.get(endpoint.service(inputs.namespace) or ("", ""))
        if target and target.selector:
            continue  # the NetworkPolicy has the port of its pods
        if endpoint.port < _UNPRIVILEGED and endpoint.namespace(inputs.namespace):
            message = (
                f"the NetworkPolicy allows port {endpoint.port} of the pods behind this Service while its targetPort "
                "is unknown (agentctl cannot read the Service; the operator in a cluster opens its targetPort): if the "
                "operator warns, too, add the targetPort to spec.networkPolicy.extraEgress"
            )
            yield Problem(SpecReason.PORT_MAY_DIFFER, endpoint.field, message)


def private_hosts_are_blocked(inputs: Inputs) -> Iterator[Problem]:
    """Without allowPrivateNetworks, the NetworkPolicy allows a host outside of the cluster only public addresses."""
    policy = inputs.spec.network_policy
    if inputs.platform.fqdn_policies:
        return  # a host is allowed by its name, whatever its address is
    if policy and (policy.enabled is False or policy.allow_private_networks or policy.extra_egress):
        return
    for endpoint in _endpoints(inputs):
        is_direct = proxy.goes_direct(inputs.spec, inputs.namespace, endpoint.host, endpoint.port)
        if is_direct and endpoint.is_private_name and not endpoint.namespace(inputs.namespace):
            message = (
                "the name is in a private domain, but the NetworkPolicy allows no private addresses: set "
                "spec.networkPolicy.allowPrivateNetworks, or add the address to spec.networkPolicy.extraEgress"
            )
            yield Problem(SpecReason.PRIVATE_HOST_BLOCKED, endpoint.field, message)


def _endpoints(inputs: Inputs) -> tuple[endpoints.Endpoint, ...]:
    """Return the endpoints of an agent; none if one is invalid, which endpoints_are_reachable rejects."""
    try:
        return endpoints.all_of(inputs.spec)
    except ValueError:
        return ()


def image_is_unqualified(inputs: Inputs) -> Iterator[Problem]:
    """A container runtime adds the registry, usually Docker Hub, where others may own the name."""
    for field, image in _images(inputs):
        if not _has_registry(image):
            message = (
                "names no registry, so nodes usually pull it from Docker Hub, where others may own the name: prefix "
                "the registry, such as registry.example.com/ or docker.io/"
            )
            yield Problem(SpecReason.IMAGE_UNQUALIFIED, field, message)


def _images(inputs: Inputs) -> Iterator[tuple[str, str]]:
    """Yield field and image of the agent and of the containers that podTemplate adds."""
    runtime = inputs.spec.runtime
    if runtime and runtime.image:
        yield "spec.runtime.image", runtime.image
    pod_spec = (inputs.spec.pod_template or {}).get("spec")
    for kind in ("initContainers", "containers"):
        containers = pod_spec.get(kind) if isinstance(pod_spec, dict) else None
        for container in containers if isinstance(containers, list) else ():
            # Rendering rejects a malformed template.
            if isinstance(container, dict) and isinstance(container.get("image"), str):
                yield f"spec.podTemplate.spec.{kind}[{container.get('name')}].image", container["image"]


def _has_registry(image: str) -> bool:
    """Apply the rule of image references: the first component is a registry if it looks like a host."""
    host, slash, _ = image.partition("/")
    return bool(slash) and (host == "localhost" or "." in host or ":" in host)


def path_is_not_stripped(inputs: Inputs) -> Iterator[Problem]:
    """The agent serves at /."""
    spec = inputs.spec.ingress
    if spec is None or spec.annotations:
        return
    for field in {
        field: None for host in ingress.hosts(spec) for field, path in host.paths.items() if path.path != "/"
    }:
        message = (
            "the agent serves at /, but the Ingress forwards this path unchanged: add the annotation that makes your "
            "Ingress controller strip it"
        )
        yield Problem(SpecReason.PATH_NOT_STRIPPED, field, message)


def exposed_without_auth(inputs: Inputs) -> Iterator[Problem]:
    """An agent that is reachable from outside of the cluster answers everyone, unless it identifies callers."""
    spec = inputs.spec
    if spec.api_keys or identifies_callers(spec.config):
        return
    is_outside = spec.service is not None and spec.service.type in ("NodePort", "LoadBalancer")
    entries = {"spec.ingress": spec.ingress, "spec.gateway": spec.gateway, "spec.service.type": is_outside}
    open_entries = [field for field, entry in entries.items() if entry]
    if spec.ingress and ingress_auth.authenticates(spec):
        open_entries.remove("spec.ingress")
    if open_entries:
        message = (
            "the agent is reachable from outside of the cluster and does not authenticate callers, so any client that "
            "can connect can call it: set spec.apiKeys or spec.config.auth.jwt"
        )
        yield Problem(SpecReason.EXPOSED_WITHOUT_AUTH, open_entries[0], message)
