"""Which field of an AgentDeployment each field of the manifests becomes."""

from collections.abc import Callable
from typing import Any

import pytest

from agentctl.conversion.convert import Conversion
from agentctl.conversion.findings import ObjectOutcome, Outcome
from tests.unit.agentctl.conversion.conftest import TOML, config_map, deployment, manifest

Import = Callable[..., Conversion]
SERVICE = manifest("v1", "Service", {"selector": {"app": "old"}, "ports": [{"port": 80, "targetPort": "http"}]})
PATH = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "support", "port": {"number": 80}}}}


def secret_variable(name: str, **reference: Any) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": "keys", "key": name} | reference}}


def ingress(*hosts: str, **spec: Any) -> dict[str, Any]:
    rules = [{"host": host, "http": {"paths": [PATH]}} for host in hosts]
    return manifest("networking.k8s.io/v1", "Ingress", {"rules": rules, "ingressClassName": "nginx"} | spec)


def policy(**spec: Any) -> dict[str, Any]:
    return manifest("networking.k8s.io/v1", "NetworkPolicy", {"podSelector": {"matchLabels": {"app": "old"}}} | spec)


def scaler(**spec: Any) -> dict[str, Any]:
    reference = {"kind": "Deployment", "name": "support"}
    whole = {"scaleTargetRef": reference, "maxReplicas": 5} | spec
    return manifest("autoscaling/v2", "HorizontalPodAutoscaler", whole)


def from_namespace(label: str, name: str, *ports: int) -> dict[str, Any]:
    peers = [{"namespaceSelector": {"matchLabels": {label: name}}}]
    return {"from": peers, "ports": [{"protocol": "TCP", "port": port} for port in ports]}


CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
QUEUE = {"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": "5"}}}
# What the case is about, the objects, the path of the field, and its value; None if the field is not set.
CASES: list[tuple[str, list[dict[str, Any]], str, Any]] = [
    ("the tag of the bundled image", [deployment()], "runtime", {"version": "1.0"}),
    (
        "another image, which Kubernetes always pulls",
        [deployment(container={"image": "me/agent-runtime:latest"})],
        "runtime",
        {"image": "me/agent-runtime:latest", "imagePullPolicy": "Always"},
    ),
    ("a digest", [deployment(container={"image": "r/a@sha256:0"})], "runtime", {"image": "r/a@sha256:0"}),
    ("pull secrets", [deployment({"imagePullSecrets": [{"name": "r"}]})], "runtime.imagePullSecrets", [{"name": "r"}]),
    ("Recreate", [deployment(strategy={"type": "Recreate"})], "rollout.strategy", "Recreate"),
    (
        "the surge of a rolling update",
        [deployment(strategy={"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 0}})],
        "rollout.rollingUpdate",
        {"maxSurge": "50%"},
    ),
    (
        "the default surge",
        [deployment(strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})],
        "rollout",
        None,
    ),
    (
        "a GPU",
        [deployment(container={"resources": {"limits": {"nvidia.com/gpu": 1}}})],
        "resources.limits",
        {"nvidia.com/gpu": "1"},
    ),
    ("one replica by default", [deployment()], "replicas", 1),
    ("the default of the operator", [deployment(replicas=3)], "replicas", None),
    ("a prompt", [deployment()], "systemPrompt.text", "Be brief.\n"),
    (
        "a prompt with braces",
        [deployment(), config_map(**{"system_prompt.txt": "{{ x }}"})],
        "systemPrompt.text",
        "{% raw %}{{ x }}{% endraw %}",
    ),
    ("a model", [deployment()], "config.models", [{"name": "gpt", "provider": "openai"}]),
    (
        "a level in the environment",
        [deployment(container={"env": [{"name": "LOG_LEVEL", "value": "DEBUG"}]})],
        "config.logLevel",
        "DEBUG",
    ),
    (
        "the prefix of keys in Redis",
        [deployment(), config_map(TOML + '[agent.memory.cache]\nhost = "redis.default.svc"\n')],
        "config.memory.cache",
        {"host": "redis.default.svc", "prefix": "chat:"},
    ),
    (
        "variables with the names of keys",
        [deployment(container={"env": [secret_variable("A"), secret_variable("B")]})],
        "credentials.secretRef",
        {"name": "keys", "keys": ["A", "B"]},
    ),
    (
        "optional variables that the operator knows",
        [deployment(container={"env": [secret_variable("OPENAI_API_KEY", optional=True)]})],
        "credentials.secretRef",
        {"name": "keys"},
    ),
    (
        "a variable with another name than its key",
        [deployment(container={"env": [secret_variable("A", key="b")]})],
        "env",
        [secret_variable("A", key="b")],
    ),
    (
        "a plain variable",
        [deployment(container={"env": [{"name": "A", "value": "1"}]})],
        "env",
        [{"name": "A", "value": "1"}],
    ),
    (
        "envFrom",
        [deployment(container={"envFrom": [{"secretRef": {"name": "more"}}]})],
        "podTemplate.spec.containers",
        [{"name": "agent", "envFrom": [{"secretRef": {"name": "more"}}]}],
    ),
    (
        "limits without requests",
        [deployment(container={"resources": {"limits": {"cpu": 1, "memory": "1024Mi"}}})],
        "resources",
        {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
    ),
    (
        "a probe with the defaults of Kubernetes",
        [deployment(container={"livenessProbe": {"httpGet": {"path": "/health/live", "port": 8000}}})],
        "probes.liveness",
        {"initialDelaySeconds": 0, "periodSeconds": 10, "timeoutSeconds": 1},
    ),
    ("node labels", [deployment({"nodeSelector": {"disk": "ssd"}})], "scheduling", {"nodeSelector": {"disk": "ssd"}}),
    (
        "DNS options",
        [deployment({"dnsConfig": {"options": [{"name": "ndots", "value": "2"}]}})],
        "dns.options",
        [{"name": "ndots", "value": "2"}],
    ),
    ("an existing account", [deployment({"serviceAccountName": "bot"})], "identity.serviceAccount.name", "bot"),
    (
        "a workload identity",
        [
            deployment({"serviceAccountName": "support"}),
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": "support", "annotations": {"azure.workload.identity/client-id": "id", "x": "y"}},
            },
        ],
        "identity",
        {"azureWorkloadIdentity": {"clientId": "id"}, "serviceAccount": {"annotations": {"x": "y"}}},
    ),
    ("no policy", [deployment()], "networkPolicy", {"enabled": False}),
    (
        "callers by namespace",
        [
            deployment(),
            policy(
                ingress=[
                    from_namespace("kubernetes.io/metadata.name", "web", 8000),
                    from_namespace("kubernetes.io/metadata.name", "mon", 9090),
                ],
                policyTypes=["Ingress", "Egress"],
            ),
        ],
        "networkPolicy",
        {"ingressNamespaces": ["web"], "monitoringNamespaces": ["mon"]},
    ),
    (
        "callers by other labels, and free egress",
        [deployment(), policy(ingress=[{"from": [{"podSelector": {}}]}])],
        "networkPolicy",
        {
            "ingressNamespaces": [],
            "monitoringNamespaces": [],
            "extraIngress": [{"from": [{"podSelector": {}}]}],
            "extraEgress": [{}],
        },
    ),
    (
        "a port of the Service",
        [
            deployment(),
            manifest("v1", "Service", {"selector": {"app": "old"}, "ports": [{"port": 8080, "targetPort": 8000}]}),
        ],
        "service",
        {"port": 8080},
    ),
    ("no monitor", [deployment()], "monitoring.serviceMonitor.enabled", False),
    ("a host", [deployment(), SERVICE, ingress("a.example.com")], "ingress", {"host": "a.example.com"}),
    (
        "a certificate",
        [deployment(), SERVICE, ingress("a.example.com", tls=[{"hosts": ["a.example.com"], "secretName": "cert"}])],
        "ingress",
        {"host": "a.example.com", "tls": {"secretName": "cert"}},
    ),
    (
        "two hosts",
        [deployment(), SERVICE, ingress("a.example.com", "b.example.com")],
        "ingress",
        {"host": "a.example.com", "hosts": [{"host": "b.example.com", "paths": [{"path": "/"}]}]},
    ),
    (
        "the default class",
        [deployment(), SERVICE, ingress("a.example.com", ingressClassName=None)],
        "ingress",
        {"host": "a.example.com", "className": ""},
    ),
    (
        "a scaler",
        [deployment(), scaler(minReplicas=2, metrics=[CPU, QUEUE])],
        "autoscaling",
        {
            "minReplicas": 2,
            "maxReplicas": 5,
            "metrics": [QUEUE],
            "targetCPUUtilizationPercentage": 50,
            "targetMemoryUtilizationPercentage": 0,
        },
    ),
    (
        "a budget",
        [
            deployment(replicas=4),
            manifest(
                "policy/v1", "PodDisruptionBudget", {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "old"}}}
            ),
        ],
        "disruptionBudget",
        {"maxUnavailable": 1},
    ),
    ("a deadline", [deployment(progressDeadlineSeconds=60)], "rollout", {"progressDeadlineSeconds": 60}),
    ("pod labels", [deployment()], "podTemplate.metadata.labels", {"tier": "api"}),
    (
        "a sidecar with a volume",
        [
            deployment(
                {
                    "containers": [
                        {"name": "side", "image": "r/s:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
                    ],
                    "volumes": [{"name": "v", "emptyDir": {}}],
                }
            )
        ],
        "podTemplate.spec",
        {
            "containers": [{"name": "side", "image": "r/s:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
            "volumes": [{"name": "v", "emptyDir": {}}],
        },
    ),
    (
        "another user",
        [deployment({"securityContext": {"runAsUser": 1234}})],
        "podTemplate.spec.securityContext",
        {"runAsUser": 1234},
    ),
    ("root", [deployment({"securityContext": {"runAsUser": 0}})], "podTemplate.spec", None),
]


def _value(node: Any, path: str) -> Any:
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node


@pytest.mark.parametrize(("objects", "path", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_field_becomes_a_field_of_the_agent(
    import_objects: Import, objects: list[dict[str, Any]], path: str, expected: Any
) -> None:
    assert _value(import_objects(*objects).agent["spec"], path) == expected


# What the case is about, the objects, and the object and field that are lost.
LOST: list[tuple[str, list[dict[str, Any]], str, str]] = [
    ("minReadySeconds", [deployment(minReadySeconds=5)], "Deployment/support", "spec.minReadySeconds"),
    (
        "root",
        [deployment({"securityContext": {"runAsUser": 0}})],
        "Deployment/support",
        "spec.template.spec.securityContext.runAsUser",
    ),
    ("host network", [deployment({"hostNetwork": True})], "Deployment/support", "spec.template.spec.hostNetwork"),
    (
        "hostPath",
        [deployment({"volumes": [{"name": "h", "hostPath": {"path": "/"}}]})],
        "Deployment/support",
        "spec.template.spec.volumes[h]",
    ),
    (
        "a port",
        [deployment(container={"ports": [{"containerPort": 5000}]})],
        "Deployment/support",
        "spec.template.spec.containers[agent].ports[5000]",
    ),
    (
        "an unknown setting",
        [deployment(), config_map(f"{TOML}speed = 1\n")],
        "ConfigMap/support",
        "data[agent.toml].agent.models[0].speed",
    ),
    ("another file", [deployment(), config_map(**{"tools.json": "{}"})], "ConfigMap/support", "data[tools.json]"),
    (
        "a third port of the Service",
        [deployment(), SERVICE | {"spec": SERVICE["spec"] | {"ports": [*SERVICE["spec"]["ports"], {"port": 7}]}}],
        "Service/support",
        "spec.ports[7]",
    ),
    (
        "duration of an affinity",
        [
            deployment(),
            SERVICE | {"spec": SERVICE["spec"] | {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}}},
        ],
        "Service/support",
        "spec.sessionAffinityConfig",
    ),
    (
        "labels",
        [deployment() | {"metadata": {"name": "support", "labels": {"team": "a"}}}],
        "Deployment/support",
        "metadata.labels.team",
    ),
    (
        "a level by reference",
        [deployment(container={"env": [secret_variable("LOG_LEVEL")]})],
        "Deployment/support",
        "spec.template.spec.containers[agent].env[LOG_LEVEL]",
    ),
    (
        "a policy that no longer selects the pods",
        [
            deployment(),
            manifest(
                "policy/v1",
                "PodDisruptionBudget",
                {"minAvailable": 1, "selector": {"matchLabels": {"app": "old"}}},
                "a",
            ),
            manifest(
                "policy/v1",
                "PodDisruptionBudget",
                {"minAvailable": 1, "selector": {"matchLabels": {"app": "old"}}},
                "b",
            ),
        ],
        "PodDisruptionBudget/b",
        "spec.selector",
    ),
]


@pytest.mark.parametrize(("objects", "title", "field"), [case[1:] for case in LOST], ids=[case[0] for case in LOST])
def test_what_an_agent_cannot_express_is_lost_with_a_reason(
    import_objects: Import, objects: list[dict[str, Any]], title: str, field: str
) -> None:
    found = import_objects(*objects).findings

    lost = {(item.object, item.field): item.reason for item in found if item.outcome is Outcome.LOST}
    assert lost.keys() == {(title, field)}
    assert lost[title, field]


def test_an_external_secret_with_all_variables_becomes_credentials(import_objects: Import) -> None:
    data = [{"secretKey": key, "remoteRef": {"key": key.lower()}} for key in ("B", "A")]
    external = manifest(
        "external-secrets.io/v1", "ExternalSecret", {"secretStoreRef": {"name": "vault"}, "data": data}, "keys"
    )
    variables = [secret_variable("A"), secret_variable("B")]

    found = import_objects(deployment(container={"env": variables}), external)

    source = {"secretStoreRef": {"name": "vault"}, "data": {"A": "a", "B": "b"}}
    assert found.agent["spec"]["credentials"] == {"externalSecret": source}
    assert [item.detail for item in found.objects if item.object == "ExternalSecret/keys"] == [
        "ExternalSecret/support-secrets"
    ]


def test_an_external_secret_without_a_variable_stays(import_objects: Import) -> None:
    data = [{"secretKey": "A", "remoteRef": {"key": "a"}}]
    external = manifest(
        "external-secrets.io/v1", "ExternalSecret", {"secretStoreRef": {"name": "vault"}, "data": data}, "keys"
    )
    variables = [secret_variable("A"), secret_variable("B")]

    found = import_objects(deployment(container={"env": variables}), external)

    assert found.agent["spec"]["credentials"] == {"secretRef": {"name": "keys", "keys": ["A", "B"]}}
    (finding,) = [item for item in found.objects if item.object == "ExternalSecret/keys"]
    assert finding.outcome is ObjectOutcome.STAYS
    assert "B" in finding.detail


def test_a_mounted_file_with_api_keys_becomes_api_keys(import_objects: Import) -> None:
    mounts = [{"name": "files", "mountPath": "/etc/agent"}, {"name": "callers", "mountPath": "/etc/callers"}]
    volumes = [{"name": "callers", "secret": {"secretName": "callers"}}]
    toml = f'{TOML}[agent.server]\napi_keys_file = "/etc/callers/list"\n'

    found = import_objects(deployment({"volumes": volumes}, {"volumeMounts": mounts}), config_map(toml))

    assert found.agent["spec"]["apiKeys"] == {"secretKeyRef": {"name": "callers", "key": "list"}}


def test_another_name_keeps_the_service_account(import_objects: Import) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "support"}}

    found = import_objects(deployment({"serviceAccountName": "support"}), account, SERVICE, new_name="support-v2")

    assert found.agent["metadata"]["name"] == "support-v2"
    assert found.agent["spec"]["identity"] == {"serviceAccount": {"name": "support"}}
    assert {item.object: item.same_name for item in found.objects if item.outcome is ObjectOutcome.REPLACED} == {
        "Deployment/support": False,
        "ConfigMap/support": False,
        "Service/support": False,
    }
