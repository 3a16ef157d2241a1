"""Every child, in the order in which it is applied: what pods need first, what leads to them last."""

from collections.abc import Callable
from dataclasses import dataclass

from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render import config, credentials, exposure, network, workload
from agent_operator.render.context import View


@dataclass(frozen=True, slots=True)
class Child:
    """A template, and what it is filled with (None: not wanted)."""

    template: str
    view: Callable[[Inputs], View | None]


CHILDREN = (
    Child("namespace", workload.namespace),
    Child("serviceaccount", workload.service_account),
    Child("secretstore", credentials.secret_store),
    Child("externalsecret", credentials.external_secret),
    Child("secret", credentials.secret),
    Child("configmap", config.config_map),
    Child("networkpolicy", network.network_policy),
    Child("service", exposure.service),
    Child("pdb", workload.disruption_budget),
    Child("deployment", workload.deployment),
    Child("hpa", workload.autoscaler),
    Child("ingress", exposure.ingress),
    Child("httproute", exposure.http_route),
    Child("servicemonitor", exposure.service_monitor),
)
