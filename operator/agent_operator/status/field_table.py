"""Which field of an AgentDeployment sets which field of a child.

The longest path that a path of a child starts with decides. `containers[agent]` is the item of a list with that name.
"""

from collections.abc import Mapping

from agent_operator.api import constants
from agent_operator.inputs.model_sources import REDIS_CA_VOLUME, model_ca_volume, model_key_variable
from agent_runtime.config import PROMPT_FILE

_TEMPLATE = "spec.template.spec."
_AGENT = f"{_TEMPLATE}containers[{constants.CONTAINER}]."
_CREDENTIALS = "spec.credentials"
_EXTERNAL = f"{_CREDENTIALS}.externalSecret"
_VAULT = f"{_EXTERNAL}.azureKeyVault"
_ACCOUNT = "spec.identity.serviceAccount"
_MONITOR = "spec.monitoring.serviceMonitor"
_RULE = "spec.monitoring.prometheusRule"

POD_TEMPLATE = "spec.podTemplate"

_MODELS = range(32)


def _of_model(index: int) -> Mapping[str, str]:
    """Return the fields of the key and the certificate authorities of a model."""
    variable, volume = f"{_AGENT}env[{model_key_variable(index)}]", f"{_TEMPLATE}volumes[{model_ca_volume(index)}]"
    model = f"spec.config.models[{index}]"
    key, authorities = f"{model}.apiKeyFrom.secretKeyRef", f"{model}.tls.caFrom"
    return {
        f"{variable}.valueFrom.secretKeyRef": key,
        f"{volume}.configMap.name": f"{authorities}.configMapKeyRef.name",
        f"{volume}.configMap.items[0].key": f"{authorities}.configMapKeyRef.key",
        f"{volume}.secret.secretName": f"{authorities}.secretKeyRef.name",
        f"{volume}.secret.items[0].key": f"{authorities}.secretKeyRef.key",
    }


_REDIS_CA = "spec.config.memory.cache.tls.caFrom"
_REDIS_VOLUME = f"{_TEMPLATE}volumes[{REDIS_CA_VOLUME}]"
MODEL_VOLUMES = frozenset([*map(model_ca_volume, _MODELS), REDIS_CA_VOLUME])
_COPIED_TO_PODS: Mapping[str, str] = {
    **{path: field for index in _MODELS for path, field in _of_model(index).items()},
    f"{_REDIS_VOLUME}.configMap.name": f"{_REDIS_CA}.configMapKeyRef.name",
    f"{_REDIS_VOLUME}.configMap.items[0].key": f"{_REDIS_CA}.configMapKeyRef.key",
    f"{_REDIS_VOLUME}.secret.secretName": f"{_REDIS_CA}.secretKeyRef.name",
    f"{_REDIS_VOLUME}.secret.items[0].key": f"{_REDIS_CA}.secretKeyRef.key",
    f"{_AGENT}image": "spec.runtime.image",
    f"{_AGENT}imagePullPolicy": "spec.runtime.imagePullPolicy",
    f"{_AGENT}resources": "spec.resources",
    f"{_AGENT}startupProbe": "spec.probes.startup",
    f"{_AGENT}readinessProbe": "spec.probes.readiness",
    f"{_AGENT}livenessProbe": "spec.probes.liveness",
    f"{_TEMPLATE}serviceAccountName": f"{_ACCOUNT}.name",
    f"{_TEMPLATE}affinity": "spec.scheduling.affinity",
    f"{_TEMPLATE}nodeSelector": "spec.scheduling.nodeSelector",
    f"{_TEMPLATE}priorityClassName": "spec.scheduling.priorityClassName",
    f"{_TEMPLATE}dnsPolicy": "spec.dns.policy",
    f"{_TEMPLATE}runtimeClassName": "spec.isolation.runtimeClassName",
    f"{_TEMPLATE}volumes[api-keys].secret.secretName": "spec.apiKeys.secretKeyRef.name",
    f"{_TEMPLATE}volumes[api-keys].secret.items[0].key": "spec.apiKeys.secretKeyRef.key",
    f"{_TEMPLATE}volumes[trusted-ca].configMap.name": "spec.trustedCA.configMapKeyRef.name",
    f"{_TEMPLATE}volumes[trusted-ca].configMap.items[0].key": "spec.trustedCA.configMapKeyRef.key",
    f"{_TEMPLATE}volumes[trusted-ca].secret.secretName": "spec.trustedCA.secretKeyRef.name",
    f"{_TEMPLATE}volumes[trusted-ca].secret.items[0].key": "spec.trustedCA.secretKeyRef.key",
}

COMMON: Mapping[str, str] = {
    "metadata.labels": "spec.commonLabels",
    "metadata.annotations": "spec.commonAnnotations",
}
"""Fields of all kinds, unless the kind has a field of its own."""

COPIED: Mapping[str, Mapping[str, str]] = {
    "Namespace": {"metadata.name": "spec.namespace.name", "metadata.labels": "spec.namespace.labels"},
    "ServiceAccount": {"metadata.annotations": f"{_ACCOUNT}.annotations"},
    "SecretStore": {
        "metadata.name": f"{_VAULT}.storeName",
        "spec.provider.azurekv.vaultUrl": f"{_VAULT}.vaultUrl",
        "spec.provider.azurekv.authType": f"{_VAULT}.authType",
        "spec.provider.azurekv.serviceAccountRef.name": f"{_ACCOUNT}.name",
    },
    "ExternalSecret": {
        "spec.refreshInterval": f"{_EXTERNAL}.refreshInterval",
        "spec.secretStoreRef": f"{_EXTERNAL}.secretStoreRef",
    },
    "Secret": {"data": f"{_CREDENTIALS}.values"},
    "Service": {
        "metadata.annotations": "spec.service.annotations",
        "spec.type": "spec.service.type",
        "spec.ipFamilies": "spec.service.ipFamilies",
        "spec.ipFamilyPolicy": "spec.service.ipFamilyPolicy",
    },
    "PodDisruptionBudget": {
        "spec.minAvailable": "spec.disruptionBudget.minAvailable",
        "spec.maxUnavailable": "spec.disruptionBudget.maxUnavailable",
    },
    "Deployment": {
        "spec.replicas": "spec.replicas",
        "spec.revisionHistoryLimit": "spec.rollout.revisionHistoryLimit",
        "spec.strategy.rollingUpdate": "spec.rollout.rollingUpdate",
        "spec.progressDeadlineSeconds": "spec.rollout.progressDeadlineSeconds",
        **_COPIED_TO_PODS,
    },
    "HorizontalPodAutoscaler": {
        "spec.minReplicas": "spec.autoscaling.minReplicas",
        "spec.maxReplicas": "spec.autoscaling.maxReplicas",
        "spec.behavior": "spec.autoscaling.behavior",
    },
    "Ingress": {
        "metadata.annotations": "spec.ingress.annotations",
        "spec.ingressClassName": "spec.ingress.className",
        "spec.tls[0].secretName": "spec.ingress.tls.secretName",
        "spec.rules[0].host": "spec.ingress.host",
        "spec.rules[0].http.paths[0].path": "spec.ingress.path",
        "spec.rules[0].http.paths[0].pathType": "spec.ingress.pathType",
    },
    "ServiceMonitor": {
        "metadata.labels": f"{_MONITOR}.labels",
        "spec.endpoints[0].interval": f"{_MONITOR}.interval",
    },
    "PrometheusRule": {"metadata.labels": f"{_RULE}.labels"},
    "Job": {path: field for path, field in _COPIED_TO_PODS.items() if not path.startswith(f"{_AGENT}resources")},
}
"""Fields that have the same fields below them in the child and in the AgentDeployment."""

_COMPUTED_FOR_PODS: Mapping[str, str] = {
    f"{_AGENT}env": _CREDENTIALS,
    f"{_TEMPLATE}volumes[trusted-ca]": "spec.trustedCA",
    f"{_TEMPLATE}terminationGracePeriodSeconds": "spec.config.limits.requestTimeoutSeconds",
    "spec.template": POD_TEMPLATE,
}

COMPUTED: Mapping[str, Mapping[str, str]] = {
    "Namespace": {f"metadata.labels[{constants.LABEL_POD_SECURITY}]": "spec.namespace.podSecurity"},
    "ServiceAccount": {
        f"metadata.annotations[{constants.ANNOTATION_CLIENT_ID}]": "spec.identity.azureWorkloadIdentity.clientId",
        f"metadata.annotations[{constants.ANNOTATION_TENANT_ID}]": "spec.identity.azureWorkloadIdentity.tenantId",
    },
    "SecretStore": {"spec": _VAULT},
    "ExternalSecret": {"spec": f"{_EXTERNAL}.data"},
    "ConfigMap": {"data": "spec.config", f"data[{PROMPT_FILE}]": "spec.systemPrompt"},
    "CiliumNetworkPolicy": {"spec": "spec.config"},
    "NetworkPolicy": {"spec": "spec.networkPolicy"},
    "Service": {
        "spec": "spec.service",
        "spec.ports[http]": "spec.service.port",
        "spec.ports[metrics]": "spec.service.metricsPort",
    },
    "PodDisruptionBudget": {"spec": "spec.disruptionBudget"},
    "Deployment": {"spec.strategy": "spec.rollout", **_COMPUTED_FOR_PODS},
    "HorizontalPodAutoscaler": {"spec": "spec.autoscaling"},
    "Ingress": {"spec": "spec.ingress"},
    "HTTPRoute": {"spec": "spec.gateway"},
    "ServiceMonitor": {"spec": _MONITOR},
    "PrometheusRule": {"spec": _RULE},
    "Job": {"spec": "spec.rollout.canary.checks", **_COMPUTED_FOR_PODS},
}
"""Fields that the operator computes from a field of the AgentDeployment."""

_LISTS_OF_PODS: Mapping[str, str] = {
    f"{_AGENT}env": "spec.env",
    f"{_TEMPLATE}imagePullSecrets": "spec.runtime.imagePullSecrets",
    f"{_TEMPLATE}topologySpreadConstraints": "spec.scheduling.topologySpreadConstraints",
    f"{_TEMPLATE}tolerations": "spec.scheduling.tolerations",
    f"{_TEMPLATE}dnsConfig.options": "spec.dns.options",
}

LISTS: Mapping[str, Mapping[str, str]] = {
    "Deployment": _LISTS_OF_PODS,
    "Job": _LISTS_OF_PODS,
    "NetworkPolicy": {
        "spec.ingress": "spec.networkPolicy.extraIngress",
        "spec.egress": "spec.networkPolicy.extraEgress",
    },
    "HorizontalPodAutoscaler": {"spec.metrics": "spec.autoscaling.metrics"},
    "Ingress": {"spec.rules": "spec.ingress.hosts"},
    "HTTPRoute": {"spec.parentRefs": "spec.gateway.parentRefs", "spec.hostnames": "spec.gateway.hostnames"},
}
"""Lists whose last items are those of a list of the AgentDeployment. Items of the operator come first."""
