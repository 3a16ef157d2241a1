"""The path of a field of a child becomes the path of the field of the AgentDeployment that sets it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.api.openapi import schemas
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, render
from agent_operator.rollout import checks_job
from agent_operator.status.field_paths import agent_path

PODS = "spec.template.spec"
AGENT = f"{PODS}.containers[{{agent}}]"
TOLERATION = {"key": "gpu", "operator": "Exists"}
SPEC: dict[str, Any] = {
    "namespace": {"name": "own", "labels": {"team": "a"}},
    "systemPrompt": {"text": "Be kind."},
    "config": {
        "models": [
            {"name": "m", "provider": "openai", "baseUrl": "https://models.example.com"},
            {
                "name": "own",
                "provider": "openai",
                "apiKeyFrom": {"secretKeyRef": {"name": "vendor", "key": "token"}},
                "tls": {"caFrom": {"configMapKeyRef": {"name": "vendor", "key": "ca.pem"}}},
            },
        ]
    },
    "credentials": {
        "externalSecret": {
            "azureKeyVault": {"vaultUrl": "https://vault.example.com", "authType": "ManagedIdentity"},
            "data": {"OPENAI_API_KEY": "key", "OTHER": "other"},
        }
    },
    "apiKeys": {"secretKeyRef": {"name": "callers", "key": "keys"}},
    "identity": {"serviceAccount": {"annotations": {"a": "b"}}},
    "runtime": {"image": "registry.example.com/runtime:1", "imagePullSecrets": [{"name": "pull"}]},
    "autoscaling": {
        "metrics": [
            {
                "type": "Pods",
                "pods": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "3"}},
            }
        ]
    },
    "env": [{"name": "FIRST", "value": "1"}, {"name": "SECOND", "value": "2"}],
    "ingress": {
        "host": "agent.example.com",
        "hosts": [{"host": "other.example.com", "paths": [{"path": "/a"}, {"path": "/b"}]}],
        "tls": {"secretName": "tls"},
    },
    "commonLabels": {"example.com/team": "a"},
    "gateway": {"parentRefs": [{"name": "public"}], "hostnames": ["agent.example.com"]},
    "networkPolicy": {
        "extraIngress": [{"ports": [{"port": 1}]}],
        "extraEgress": [{"ports": [{"port": 1}]}, {"ports": [{"port": 2}]}],
    },
    "scheduling": {
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "tolerations": [TOLERATION, {"key": "spot", "operator": "Exists"}],
        "nodeSelector": {"disk": "ssd"},
    },
    "trustedCA": {"configMapKeyRef": {"name": "corporate-ca"}},
    "isolation": {"runtimeClassName": "gvisor"},
    "dns": {"options": [{"name": "ndots", "value": "2"}]},
    "rollout": {
        "strategy": "Canary",
        "canary": {"checks": [{"name": "c", "prompt": "Hi", "contains": ["hello"]}]},
    },
    "podTemplate": {
        "metadata": {"annotations": {"example.com/a": "b"}},
        "spec": {
            "hostname": "h",
            "initContainers": [{"name": "init", "image": "registry.example.com/init:1"}],
            "containers": [
                {"name": "side", "image": "registry.example.com/side:1", "ports": [{"containerPort": 81}]},
                {
                    "name": "agent",
                    "env": [{"name": "THIRD", "value": "3"}],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                },
            ],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    },
}
# Kind, path of the child, path of the AgentDeployment.
CASES = """
Namespace metadata.name -> spec.namespace.name
Namespace metadata.labels -> spec.namespace.labels
Namespace metadata.labels[pod-security.kubernetes.io/enforce] -> spec.namespace.podSecurity
ServiceAccount metadata.annotations -> spec.identity.serviceAccount.annotations
SecretStore spec.provider.azurekv.vaultUrl -> spec.credentials.externalSecret.azureKeyVault.vaultUrl
SecretStore spec.provider -> spec.credentials.externalSecret.azureKeyVault
ExternalSecret spec.refreshInterval -> spec.credentials.externalSecret.refreshInterval
ExternalSecret spec.data[1].remoteRef.key -> spec.credentials.externalSecret.data
ConfigMap data -> spec.config
ConfigMap data[system_prompt.txt] -> spec.systemPrompt
NetworkPolicy spec.ingress[{last}].ports[0].port -> spec.networkPolicy.extraIngress[0].ports[0].port
NetworkPolicy spec.egress[{last}].ports[0].port -> spec.networkPolicy.extraEgress[1].ports[0].port
NetworkPolicy spec.egress[0].ports[0].port -> spec.networkPolicy
Service spec.ports[0].port -> spec.service.port
Service .spec.ports[port=9090,protocol="TCP"].nodePort -> spec.service.metricsPort
Service spec.type -> spec.service.type
Service metadata.annotations -> spec.service.annotations
Service metadata.name -> metadata.name
PodDisruptionBudget spec.minAvailable -> spec.disruptionBudget.minAvailable
Deployment spec.replicas -> spec.replicas
Deployment spec.progressDeadlineSeconds -> spec.rollout.progressDeadlineSeconds
Deployment metadata.ownerReferences[0].uid ->
Deployment metadata.name -> metadata.name
Deployment {agent}.env[{SECOND}].value -> spec.env[1].value
Deployment {agent}.env[{THIRD}].value -> spec.podTemplate.spec.containers[1].env[0].value
Deployment {agent}.env[{OPENAI_API_KEY}].valueFrom.secretKeyRef.name -> spec.credentials
Deployment .spec.template.spec.containers[name="agent"].env[name="FIRST"].value -> spec.env[0].value
Deployment .spec.template.spec.containers[name="agent"].resources -> spec.resources
Deployment {agent}.image -> spec.runtime.image
Deployment {agent}.resources.limits[memory] -> spec.resources.limits.memory
Deployment {agent}.resources.requests -> spec.resources.requests
Deployment {agent}.readinessProbe.httpGet.port -> spec.probes.readiness.httpGet.port
Deployment {agent}.volumeMounts[{/data}].name -> spec.podTemplate.spec.containers[1].volumeMounts[0].name
Deployment {side}.image -> spec.podTemplate.spec.containers[0].image
Deployment {side}.livenessProbe -> spec.podTemplate.spec.containers[0].livenessProbe
Deployment {side}.ports[0].containerPort -> spec.podTemplate.spec.containers[0].ports[0].containerPort
Deployment spec.template.spec.initContainers[0].image -> spec.podTemplate.spec.initContainers[0].image
Deployment spec.template.spec.volumes[{data}].emptyDir -> spec.podTemplate.spec.volumes[0].emptyDir
Deployment spec.template.spec.volumes[{api-keys}].secret.secretName -> spec.apiKeys.secretKeyRef.name
Deployment spec.template.spec.volumes[{trusted-ca}].configMap.name -> spec.trustedCA.configMapKeyRef.name
Deployment {agent}.env[{MODEL_API_KEY_1}].valueFrom.secretKeyRef.name -> \
spec.config.models[1].apiKeyFrom.secretKeyRef.name
Deployment spec.template.spec.volumes[{model-ca-1}].configMap.name -> \
spec.config.models[1].tls.caFrom.configMapKeyRef.name
Deployment spec.template.spec.runtimeClassName -> spec.isolation.runtimeClassName
Deployment spec.template.spec.hostname -> spec.podTemplate.spec.hostname
Deployment spec.template.spec.subdomain -> spec.podTemplate
Deployment spec.template.metadata.annotations[example.com/a] -> spec.podTemplate.metadata.annotations[example.com/a]
Deployment spec.template.spec.imagePullSecrets[0].name -> spec.runtime.imagePullSecrets[0].name
Deployment .spec.template.spec.topologySpreadConstraints -> spec.scheduling.topologySpreadConstraints
Deployment spec.template.spec.tolerations[1].operator -> spec.scheduling.tolerations[1].operator
Deployment spec.template.spec.nodeSelector -> spec.scheduling.nodeSelector
Deployment spec.template.spec.dnsConfig.options[0].name -> spec.dns.options[0].name
Deployment spec.template.spec.serviceAccountName -> spec.identity.serviceAccount.name
Deployment spec.template.spec.terminationGracePeriodSeconds -> spec.config.limits.requestTimeoutSeconds
HorizontalPodAutoscaler spec.maxReplicas -> spec.autoscaling.maxReplicas
HorizontalPodAutoscaler spec.metrics[{last}].pods.target -> spec.autoscaling.metrics[0].pods.target
HorizontalPodAutoscaler spec.metrics[0].resource.target -> spec.autoscaling
HorizontalPodAutoscaler spec.behavior.scaleUp.policies[0].value -> spec.autoscaling.behavior.scaleUp.policies[0].value
Ingress spec.rules[0].host -> spec.ingress.host
Ingress spec.rules[0].http.paths[0].path -> spec.ingress.path
Ingress spec.tls[0].secretName -> spec.ingress.tls.secretName
Ingress spec.rules -> spec.ingress.hosts
Ingress spec.rules[1].host -> spec.ingress.hosts[0].host
Ingress spec.rules[1].http.paths[1].path -> spec.ingress.hosts[0].paths[1].path
Deployment metadata.labels[example.com/team] -> spec.commonLabels[example.com/team]
Deployment spec.revisionHistoryLimit -> spec.rollout.revisionHistoryLimit
HTTPRoute spec.parentRefs[0].name -> spec.gateway.parentRefs[0].name
HTTPRoute spec.hostnames[0] -> spec.gateway.hostnames[0]
HTTPRoute spec.rules[0].backendRefs -> spec.gateway
ServiceMonitor metadata.labels -> spec.monitoring.serviceMonitor.labels
ServiceMonitor spec.endpoints[0].interval -> spec.monitoring.serviceMonitor.interval
ServiceMonitor spec.endpoints[0].port -> spec.monitoring.serviceMonitor
Job spec.template.spec.containers[0].env[{SECOND}].value -> spec.env[1].value
Job spec.activeDeadlineSeconds -> spec.rollout.canary.checks
Job spec.template.spec.nodeSelector -> spec.scheduling.nodeSelector
""".strip().splitlines()


@pytest.fixture(scope="module")
def children() -> dict[str, dict[str, Any]]:
    metadata = {"name": "web", "namespace": "support", "uid": "u"}
    inputs = Inputs(AgentDeployment.model_validate({"metadata": metadata, "spec": SPEC}))
    rendered = render(inputs)
    found = {manifest["kind"]: manifest for manifest in rendered.manifests}
    return found | {"Job": checks_job.manifests(inputs, rendered.revision)[1]}


def _filled(path: str, manifest: dict[str, Any]) -> str:
    """Replace `{NAME}` by the index of the item with this name, `{agent}` by the path of the container, `{last}`."""
    pods = manifest["spec"].get("template", {}).get("spec", {}) if "spec" in manifest else {}
    containers = {it["name"]: f"{PODS}.containers[{index}]" for index, it in enumerate(pods.get("containers", ()))}
    path = re.sub(r"^\{(\w+)\}", lambda match: containers[match[1]], path)
    found = re.search(r"\{(.+)\}", path)
    if not found:
        return path
    items: Any = manifest
    for step in re.findall(r"\w+", path[: found.start()]):
        items = items[int(step)] if isinstance(items, list) else items[step]
    names = [it.get("name") for it in items] + [it.get("mountPath") for it in items]
    index = len(items) - 1 if found[1] == "last" else names.index(found[1]) % len(items)
    return path.replace(found[0], str(index))


@pytest.mark.parametrize("case", CASES)
def test_the_path_of_a_child_becomes_that_of_the_agent(case: str, children: dict[str, dict[str, Any]]) -> None:
    child, _, expected = case.partition(" ->")
    kind, path = child.split()
    assert agent_path(kind, _filled(path, children[kind]), children[kind], SPEC) == expected.strip()


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict) and value:
        for name, below in value.items():
            yield from _leaves(below, f"{path}.{name}" if re.fullmatch(r"[\w-]+", name) else f"{path}[{name}]")
    elif isinstance(value, list) and value:
        for index, below in enumerate(value):
            yield from _leaves(below, f"{path}[{index}]")
    else:
        yield path.lstrip(".")


def _exists(path: str) -> bool:
    """Return whether the CRD has a field."""
    node: Any = schemas()[constants.KIND]
    for name, bracket in re.findall(r"([\w-]+)(?![^\[]*\])|\[([^\]]*)\]", path):
        properties = node.get("properties", {})
        if bracket.isdecimal():
            node = node.get("items")
        else:
            node = properties.get(name or bracket) or node.get("additionalProperties")
        if not isinstance(node, dict):
            return False
    return True


def test_every_rendered_field_has_a_field_of_the_crd(children: dict[str, dict[str, Any]]) -> None:
    for kind, manifest in children.items():
        for path in _leaves({key: value for key, value in manifest.items() if key not in ("apiVersion", "kind")}):
            found = agent_path(kind, path, manifest, SPEC)
            assert found in ("", "metadata.name") or _exists(found), f"{kind} {path}: {found}"
            assert found or path.startswith(("metadata.", "immutable", "automount")) or _is_fixed(kind, path), path


def _is_fixed(kind: str, path: str) -> bool:
    return (kind, path.split("[", maxsplit=1)[0]) in {
        ("Deployment", "spec.selector.matchLabels.app"),
        ("Deployment", "spec.strategy.type"),
    }


@pytest.mark.parametrize(
    "path", ["", ".", "[", "spec[", "a" * 10_000, "spec" + "[0]" * 10_000, "spec.template.spec[x=]"]
)
@pytest.mark.parametrize("manifest", [{}, {"spec": None}, {"spec": {"template": []}}])
def test_any_path_has_an_answer(path: str, manifest: dict[str, Any]) -> None:
    assert agent_path("Deployment", path, manifest, {"podTemplate": {"spec": [1]}}) in ("", "spec.podTemplate")
