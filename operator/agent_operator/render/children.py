"""Every child, in the order in which it is applied: what pods need first, what leads to them last."""

from collections.abc import Callable
from dataclasses import dataclass

from kubernetes import client
from pydantic import BaseModel

from agent_operator.render import config, credentials, exposure, models, network, workload
from agent_operator.render.context import View
from agent_operator.spec.inputs import Inputs


@dataclass(frozen=True, slots=True)
class Child:
    """A template, what it is filled with (None: not wanted), and the kind it must make."""

    template: str
    view: Callable[[Inputs], View | None]
    model: type[BaseModel]


CHILDREN = (
    Child("namespace", workload.namespace, client.V1Namespace),
    Child("serviceaccount", workload.service_account, client.V1ServiceAccount),
    Child("secretstore", credentials.secret_store, models.SecretStore),
    Child("externalsecret", credentials.external_secret, models.ExternalSecret),
    Child("secret", credentials.secret, client.V1Secret),
    Child("configmap", config.config_map, client.V1ConfigMap),
    Child("networkpolicy", network.network_policy, client.V1NetworkPolicy),
    Child("service", exposure.service, client.V1Service),
    Child("pdb", workload.disruption_budget, client.V1PodDisruptionBudget),
    Child("deployment", workload.deployment, client.V1Deployment),
    Child("hpa", workload.autoscaler, client.V2HorizontalPodAutoscaler),
    Child("ingress", exposure.ingress, client.V1Ingress),
    Child("httproute", exposure.http_route, models.HttpRoute),
    Child("servicemonitor", exposure.service_monitor, models.ServiceMonitor),
)
