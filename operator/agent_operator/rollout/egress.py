"""The policies of an agent with named hosts while revisions run that its spec does not describe. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render import Rendered, Revision, fqdn
from agent_operator.render.canonical import Manifest, with_spec


@dataclass(frozen=True, slots=True)
class Egress:
    """Policies with the destinations of all running revisions, and status.egress."""

    policies: Mapping[str, Manifest]
    mode: str


def with_hosts(
    inputs: Inputs, rendered: Rendered, desired: Mapping[str, Manifest], revisions: Iterable[Revision]
) -> Egress:
    """Add the destinations of other revisions to the policies, which have those of the current spec.

    Args:
        inputs: what the agent is rendered from.
        rendered: the manifests of the current spec.
        desired: the desired manifests by kind, with both policies.
        revisions: the other revisions that run.
    """
    policy, by_host = desired["NetworkPolicy"], desired[fqdn.KIND]
    egress, mode = list(policy["spec"].get("egress", [])), rendered.egress
    hosts = fqdn.hosts(rendered.revision, inputs) or frozenset()
    for revision in revisions:
        found, own = fqdn.hosts(revision, inputs), revision.egress or ()
        rules = fqdn.without_dns(own) if found is None else fqdn.without_outside(own)
        egress += [rule for rule in rules if rule not in egress]
        hosts |= found or frozenset()
        mode = "PublicAddresses" if fqdn.allows_outside(rules) else mode
    named = with_spec(by_host, egress=fqdn.egress(inputs, hosts))
    return Egress({fqdn.KIND: named, "NetworkPolicy": with_spec(policy, egress=egress)}, mode)
