"""Every child, in the order in which it is applied: first what pods need, last what leads requests to them."""

from collections.abc import Iterator

from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render import credentials, exposure, workload
from agent_operator.render.canonical import Manifest
from agent_operator.render.config import config_map
from agent_operator.render.context import manifest
from agent_operator.render.deployment import Role, deployment
from agent_operator.render.revision import Revision


def children(inputs: Inputs, revision: Revision, network_policy: Manifest | None) -> Iterator[Manifest]:
    """Yield the manifests of an agent whose pods are all of one revision. A view that is None makes no child."""
    before = {
        "namespace": workload.namespace(inputs),
        "serviceaccount": workload.service_account(inputs),
        "secretstore": credentials.secret_store(inputs),
        "externalsecret": credentials.external_secret(inputs),
        "secret": credentials.secret(inputs),
    }
    yield from (manifest(template, inputs, view) for template, view in before.items() if view is not None)
    yield config_map(inputs, revision)
    if network_policy is not None:
        yield network_policy
    yield manifest("service", inputs, exposure.service(inputs))
    yield manifest("pdb", inputs, workload.disruption_budget(inputs))
    yield deployment(inputs, revision, inputs.fixed_replicas, Role.STABLE)
    after = {
        "hpa": workload.autoscaler(inputs),
        "ingress": exposure.ingress(inputs),
        "httproute": exposure.http_route(inputs),
        "servicemonitor": exposure.service_monitor(inputs),
    }
    yield from (manifest(template, inputs, view) for template, view in after.items() if view is not None)
