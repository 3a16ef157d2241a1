"""What the operator reads from the cluster to render an agent, so that `agentctl diff` renders the same objects."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from agent_operator.fleet.assigned_version import resolve_version
from agent_operator.inputs import endpoints, service_targets
from agent_operator.inputs.service_targets import ServiceTarget
from agent_operator.render import Inputs
from agent_operator.rollout.manifests import selecting_both
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.snapshot import RESOURCE
from agentctl.errors import CommandError
from agentctl.objects import Object


def complete(kubectl: Kubectl, body: Object, inputs: Inputs) -> Inputs:
    """Return the inputs with the version that a channel assigned, and the Services that the agent connects to.

    Raises:
        CommandError: the API server does not respond.
    """
    found = kubectl.in_namespace(inputs.own_namespace).get(f"{RESOURCE}/{inputs.name}")
    status = (found[0].get("status") or {}) if found else {}
    # The status has the version. So the channel itself, which a user may have no right to read, is not needed.
    decision = resolve_version(body | {"status": status}, lambda _: None)
    return replace(inputs, assigned=decision.assigned, services=dict(_services(kubectl, inputs)))


def _services(kubectl: Kubectl, inputs: Inputs) -> Iterator[tuple[tuple[str, str], ServiceTarget | None]]:
    """Yield each Service and its target. As in the operator, one that may not be read is left out."""
    names: dict[str, list[str]] = {}
    for namespace, name in endpoints.services(inputs.spec, inputs.namespace):
        names.setdefault(namespace, []).append(name)
    for namespace, listed in names.items():
        try:
            services = kubectl.in_namespace(namespace).get(*(f"service/{name}" for name in listed))
        except CommandError as error:
            if "(Forbidden)" not in str(error):
                raise
            continue
        live = {service["metadata"]["name"]: service for service in services}
        for name in listed:
            service = live.get(name)
            yield (namespace, name), service_targets.parse(service_targets.content(service)) if service else None


def as_applied(inputs: Inputs, manifests: Sequence[Object]) -> Sequence[Object]:
    """Return the manifests as the operator applies them while no canary runs."""
    rollout = inputs.spec.rollout
    if rollout is None or rollout.strategy != "Canary":
        return manifests
    both = selecting_both({manifest["kind"]: manifest for manifest in manifests})
    return [dict(both.get(manifest["kind"], manifest)) for manifest in manifests]
