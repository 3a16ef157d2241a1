"""The objects that pods need: Namespace, ServiceAccount, ConfigMap, HorizontalPodAutoscaler and PodDisruptionBudget."""

from agent_operator.api import constants
from agent_operator.inputs import disruption, scaling
from agent_operator.inputs.agent_inputs import DEFAULT_MAX_REPLICAS, Inputs
from agent_operator.render.canonical import Manifest, digest
from agent_operator.render.revision import Revision
from agent_operator.render.templates import View, manifest


def namespace(inputs: Inputs) -> View | None:
    """Return the view of the Namespace; None without spec.namespace, or if others manage namespaces."""
    wanted = inputs.spec.namespace
    if wanted is None or not inputs.platform.manage_namespaces:
        return None
    labels_of_namespace = {
        constants.LABEL_COMPONENT: "ai-agent",
        constants.LABEL_POD_SECURITY: wanted.pod_security or "restricted",
    }
    return {"name": wanted.name, "namespace": None, "labels": (wanted.labels or {}) | labels_of_namespace}


def service_account(inputs: Inputs) -> View | None:
    """Return the view of the ServiceAccount; None when the spec names an existing one."""
    identity = inputs.spec.identity
    account = identity.service_account if identity else None
    if account and account.name:
        return None
    azure = identity.azure_workload_identity if identity else None
    annotations = {}
    if azure:
        annotations[constants.ANNOTATION_CLIENT_ID] = azure.client_id
        if azure.tenant_id:
            annotations[constants.ANNOTATION_TENANT_ID] = azure.tenant_id
    return {"annotations": annotations | ((account.annotations if account else None) or {})}


def config_map_name(inputs: Inputs) -> str:
    """Return the name of the ConfigMap for the current spec.

    The name depends on the content, so the ConfigMap of older pods never changes.
    """
    return constants.config_map(inputs.name, digest(dict(inputs.files)))


def config_map(inputs: Inputs, revision: Revision) -> Manifest:
    """Return the ConfigMap of a revision."""
    return manifest("configmap", inputs, {"name": revision.config_map, "data": dict(revision.config)})


def slot(child: Manifest) -> str:
    """Return whether a rendered ConfigMap is that of the pods or the dashboard: ConfigMap or Dashboard."""
    return "ConfigMap" if child.get("immutable") else "Dashboard"


def autoscaler(inputs: Inputs) -> View | None:
    """Return the view of the HorizontalPodAutoscaler."""
    wanted = inputs.autoscaling
    if wanted is None:
        return None
    return {
        "min_replicas": inputs.fewest_replicas,
        "max_replicas": wanted.max_replicas or DEFAULT_MAX_REPLICAS,
        "utilization": scaling.utilization(wanted),
        "extra_metrics": scaling.metrics(wanted),
        "behavior": scaling.behavior(wanted),
    }


def disruption_budget(inputs: Inputs) -> View:
    """Return the view of the PodDisruptionBudget."""
    budget = disruption.budget(inputs.spec.disruption_budget, inputs.fewest_replicas)
    # An unhealthy pod must not block a drain. The field exists since Kubernetes 1.27.
    always = inputs.platform.kubernetes_minor >= 27  # noqa: PLR2004
    return {
        "min_available": budget.min_available,
        "max_unavailable": budget.max_unavailable,
        "unhealthy_policy": "AlwaysAllow" if always else None,
    }
