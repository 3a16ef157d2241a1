"""Each rule rejects invalid specs with a field and a remedy, and accepts valid ones."""

from dataclasses import replace
from typing import Any

import pytest

from agent_operator import validation
from agent_operator.api.reasons import SpecReason
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, render
from agent_runtime.config import MAX_PROMPT_BYTES

ECHO = {"models": [{"name": "echo", "provider": "echo"}]}
VAULT = {"vaultUrl": "https://kv.vault.azure.net"}
IDENTITY = {"azureWorkloadIdentity": {"clientId": "id"}}


def inputs(name: str = "support", **spec: Any) -> Inputs:
    body = {"metadata": {"name": name, "namespace": "team-a"}, "spec": {"config": ECHO} | spec}
    return Inputs(AgentDeployment.model_validate(body))


OPENAI_KEY = {"env": [{"name": "OPENAI_API_KEY", "value": "k"}]}
OWN_KEY = {"secretKeyRef": {"name": "vendor", "key": "token"}}


def models(*urls: str, **fields: Any) -> dict[str, Any]:
    """Return a config whose models have these URLs and fields."""
    given = [{"name": f"m{n}", "provider": "openai", "baseUrl": url} | fields for n, url in enumerate(urls)]
    return {"models": given}


def cache(host: str) -> dict[str, Any]:
    return ECHO | {"memory": {"cache": {"host": host}}}


def redis(**fields: Any) -> dict[str, Any]:
    return ECHO | {"memory": {"cache": fields}}


def tokens(**jwt: Any) -> dict[str, Any]:
    return ECHO | {"auth": {"jwt": {"audiences": ["a"]} | jwt}}


def vault(**data: str) -> dict[str, Any]:
    return {"credentials": {"externalSecret": {"azureKeyVault": VAULT, "data": data}}, "identity": IDENTITY}


def canary(**canary: Any) -> dict[str, Any]:
    return {"rollout": {"strategy": "Canary", "canary": canary}}


GREETS = {"name": "greets", "prompt": "Hello", "contains": ["hello"]}
FROM_CONFIG_MAP = {"configMapKeyRef": {"name": "c", "key": "k"}}
CANARY = "spec.rollout.canary"

REJECTED: list[tuple[dict[str, Any], SpecReason, str]] = [
    (canary(checks=[GREETS], checksFrom=FROM_CONFIG_MAP), SpecReason.FIELD_CONFLICT, CANARY),
    (canary(checksFrom=FROM_CONFIG_MAP), SpecReason.CHECKS_MISSING, f"{CANARY}.checksFrom.configMapKeyRef"),
    (canary(checks=[GREETS, GREETS]), SpecReason.CHECKS_INVALID, f"{CANARY}.checks"),
    (canary(checks=[GREETS | {"model": "gpt"}]), SpecReason.CHECKS_INVALID, f"{CANARY}.checks[0].model"),
    (
        canary(checks=[GREETS, GREETS | {"name": "b", "judge": {"model": "gpt", "criterion": "kind"}}]),
        SpecReason.CHECKS_INVALID,
        f"{CANARY}.checks[1].judge.model",
    ),
    (
        canary(checks=[GREETS | {"name": f"c{n}", "prompt": "x" * 32_000} for n in range(30)]),
        SpecReason.CHECKS_INVALID,
        f"{CANARY}.checks",
    ),
    ({"name": "a" * 53}, SpecReason.NAME_INVALID, "metadata.name"),
    ({"name": "1st"}, SpecReason.NAME_INVALID, "metadata.name"),
    ({"name": "a.b"}, SpecReason.NAME_INVALID, "metadata.name"),
    ({"namespace": {"name": "team-a"}}, SpecReason.NAMESPACE_NOT_ALLOWED, "spec.namespace.name"),
    ({"namespace": {"name": "kube-system"}}, SpecReason.NAMESPACE_NOT_ALLOWED, "spec.namespace.name"),
    ({"namespace": {"name": "default"}}, SpecReason.NAMESPACE_NOT_ALLOWED, "spec.namespace.name"),
    ({"namespace": {"name": "kube-flannel"}}, SpecReason.NAMESPACE_NOT_ALLOWED, "spec.namespace.name"),
    (
        {"namespace": {"name": "n", "labels": {"pod-security.kubernetes.io/enforce": "privileged"}}},
        SpecReason.LABEL_INVALID,
        "spec.namespace.labels[pod-security.kubernetes.io/enforce]",
    ),
    ({"namespace": {"name": "n", "labels": {"-x": "y"}}}, SpecReason.LABEL_INVALID, "spec.namespace.labels[-x]"),
    ({"namespace": {"name": "n", "labels": {"x": "y z"}}}, SpecReason.LABEL_INVALID, "spec.namespace.labels[x]"),
    (
        {"service": {"annotations": {"agent-operator.dev/manifest-hash": "x"}}},
        SpecReason.LABEL_INVALID,
        "spec.service.annotations[agent-operator.dev/manifest-hash]",
    ),
    ({"scheduling": {"nodeSelector": {"a/b/c": "x"}}}, SpecReason.LABEL_INVALID, "spec.scheduling.nodeSelector[a/b/c]"),
    (
        {"monitoring": {"serviceMonitor": {"labels": {"app.kubernetes.io/managed-by": "me"}}}},
        SpecReason.LABEL_INVALID,
        "spec.monitoring.serviceMonitor.labels[app.kubernetes.io/managed-by]",
    ),
    ({"systemPrompt": {}}, SpecReason.FIELD_CONFLICT, "spec.systemPrompt"),
    (
        {"systemPrompt": {"text": "x", "configMapKeyRef": {"name": "p", "key": "k"}}},
        SpecReason.FIELD_CONFLICT,
        "spec.systemPrompt",
    ),
    ({"credentials": {}}, SpecReason.FIELD_CONFLICT, "spec.credentials"),
    (
        {"credentials": {"secretRef": {"name": "s"}, "values": {"A": "b"}}},
        SpecReason.FIELD_CONFLICT,
        "spec.credentials",
    ),
    (
        {"credentials": {"externalSecret": {"data": {"A": "b"}}}},
        SpecReason.FIELD_CONFLICT,
        "spec.credentials.externalSecret",
    ),
    ({"autoscaling": {"minReplicas": 11}}, SpecReason.FIELD_CONFLICT, "spec.autoscaling.minReplicas"),
    ({"autoscaling": {"maxReplicas": 2}}, SpecReason.FIELD_CONFLICT, "spec.autoscaling.minReplicas"),
    (
        {"disruptionBudget": {"minAvailable": 1, "maxUnavailable": 1}},
        SpecReason.FIELD_CONFLICT,
        "spec.disruptionBudget",
    ),
    (
        {"systemPrompt": {"configMapKeyRef": {"name": "p", "key": "k"}}},
        SpecReason.PROMPT_MISSING,
        "spec.systemPrompt.configMapKeyRef",
    ),
    ({"systemPrompt": {"text": "{{ nobody }}"}}, SpecReason.PROMPT_INVALID, "spec.systemPrompt.text"),
    (
        {"systemPrompt": {"text": "é" * (MAX_PROMPT_BYTES // 2 + 1)}},
        SpecReason.PROMPT_TOO_LARGE,
        "spec.systemPrompt.text",
    ),
    ({"config": models("http://x:99999/")}, SpecReason.ENDPOINT_INVALID, "spec.config.models[0].baseUrl"),
    ({"config": models("http://x:0/")}, SpecReason.ENDPOINT_INVALID, "spec.config.models[0].baseUrl"),
    ({"config": models("http://a", "http://[::1")}, SpecReason.ENDPOINT_INVALID, "spec.config.models[1].baseUrl"),
    ({"config": models("http://user:pw@x/")}, SpecReason.ENDPOINT_INVALID, "spec.config.models[0].baseUrl"),
    ({"config": models("http://-x.y/")}, SpecReason.ENDPOINT_INVALID, "spec.config.models[0].baseUrl"),
    ({"config": models("http://:80/")}, SpecReason.ENDPOINT_INVALID, "spec.config.models[0].baseUrl"),
    ({"config": models("http://[fd12::1%25eth0]/")}, SpecReason.ENDPOINT_INVALID, "spec.config.models[0].baseUrl"),
    ({"config": models("http://169.254.169.254/")}, SpecReason.ENDPOINT_INVALID, "spec.config.models[0].baseUrl"),
    (
        {"config": models("http://[::ffff:169.254.169.254]/")},
        SpecReason.ENDPOINT_INVALID,
        "spec.config.models[0].baseUrl",
    ),
    ({"config": models("http://[fd00:ec2::254]/")}, SpecReason.ENDPOINT_INVALID, "spec.config.models[0].baseUrl"),
    ({"config": cache("169.254.1.1")}, SpecReason.ENDPOINT_INVALID, "spec.config.memory.cache.host"),
    ({"config": cache("redis..cache")}, SpecReason.ENDPOINT_INVALID, "spec.config.memory.cache.host"),
    ({"credentials": {"values": {"LOG_LEVEL": "x"}}}, SpecReason.CREDENTIALS_INVALID, "spec.credentials"),
    (vault(A="not a name"), SpecReason.CREDENTIALS_INVALID, "spec.credentials.externalSecret.data[A]"),
    (
        {"credentials": {"externalSecret": {"secretStoreRef": {"name": "s"}, "data": {"A": ""}}}},
        SpecReason.CREDENTIALS_INVALID,
        "spec.credentials.externalSecret.data[A]",
    ),
    (
        vault(A="b") | {"identity": {}},
        SpecReason.IDENTITY_INVALID,
        "spec.credentials.externalSecret.azureKeyVault",
    ),
    (
        {"identity": {"serviceAccount": {"name": "x", "annotations": {"a": "b"}}}},
        SpecReason.IDENTITY_INVALID,
        "spec.identity.serviceAccount.annotations",
    ),
    ({"env": [{"name": "LOG_LEVEL", "value": "x"}]}, SpecReason.ENV_INVALID, "spec.env[0]"),
    ({"env": [{"name": "PORT_HTTP", "value": "1"}]}, SpecReason.ENV_INVALID, "spec.env[0]"),
    ({"env": [{"name": "A"}, {"name": "A"}]}, SpecReason.ENV_INVALID, "spec.env[1]"),
    ({"env": [{"name": "A"}], "credentials": {"values": {"A": "b"}}}, SpecReason.ENV_INVALID, "spec.env[0]"),
    ({"env": [{"name": "1 A"}]}, SpecReason.ENV_INVALID, "spec.env[0].name"),
    (
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"key": "TOKEN"}}}]},
        SpecReason.ENV_INVALID,
        "spec.env[0].valueFrom.secretKeyRef.name",
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"key": "a", "name": ""}}}]},
        SpecReason.ENV_INVALID,
        "spec.env[0].valueFrom.configMapKeyRef.name",
    ),
    (
        {"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]},
        SpecReason.ENV_INVALID,
        "spec.env[0]",
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "x"}}}]},
        SpecReason.ENV_INVALID,
        "spec.env[0].valueFrom.resourceFieldRef.divisor",
    ),
    (
        {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": "1900m"}}},
        SpecReason.RESOURCES_INVALID,
        "spec.resources.requests.cpu",
    ),
    ({"resources": {"requests": {"memory": "-1Gi"}}}, SpecReason.RESOURCES_INVALID, "spec.resources.requests.memory"),
    ({"resources": {"requests": {"memory": "1e1.5"}}}, SpecReason.RESOURCES_INVALID, "spec.resources"),
    (
        {
            "autoscaling": {
                "metrics": [{"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "V", "value": "x"}}}]
            }
        },
        SpecReason.RESOURCES_INVALID,
        "spec.autoscaling.metrics[0].pods.target.value",
    ),
    (
        {"autoscaling": {"behavior": {"scaleUp": {"tolerance": "x"}}}},
        SpecReason.RESOURCES_INVALID,
        "spec.autoscaling.behavior.scaleUp.tolerance",
    ),
    (
        {"probes": {"startup": {"exec": {"command": ["x"]}, "httpGet": {"port": 1}}}},
        SpecReason.PROBE_INVALID,
        "spec.probes.startup",
    ),
    (
        {"probes": {"readiness": {"httpGet": {"port": 80, "host": "10.0.0.1"}}}},
        SpecReason.PROBE_INVALID,
        "spec.probes.readiness.httpGet.host",
    ),
    ({"probes": {"startup": {"periodSeconds": 0}}}, SpecReason.PROBE_INVALID, "spec.probes.startup.periodSeconds"),
    (
        {"probes": {"liveness": {"successThreshold": 2}}},
        SpecReason.PROBE_INVALID,
        "spec.probes.liveness.successThreshold",
    ),
    (
        {"probes": {"readiness": {"terminationGracePeriodSeconds": 2}}},
        SpecReason.PROBE_INVALID,
        "spec.probes.readiness.terminationGracePeriodSeconds",
    ),
    (
        {"config": ECHO | {"auth": {"jwt": {"issuer": "https://169.254.169.254/", "audiences": ["a"]}}}},
        SpecReason.ENDPOINT_INVALID,
        "spec.config.auth.jwt.issuer",
    ),
    (
        {"config": ECHO | {"auth": {"jwt": {"issuer": "https://u:p@sso.example.com/", "audiences": ["a"]}}}},
        SpecReason.ENDPOINT_INVALID,
        "spec.config.auth.jwt.issuer",
    ),
    (
        {"config": tokens(issuer="https://sso.example.com", jwksUrl="https://u:p@sso.example.com/keys")},
        SpecReason.ENDPOINT_INVALID,
        "spec.config.auth.jwt.jwksUrl",
    ),
    (
        {"config": redis(sentinel={"master": "m", "hosts": ["a", "b..c"]})},
        SpecReason.ENDPOINT_INVALID,
        "spec.config.memory.cache.sentinel.hosts[1]",
    ),
    (
        canary(checks=[{"name": "a", "prompt": "x", "contains": ["y"]}])
        | {"config": ECHO | {"auth": {"jwt": {"preset": "kubernetes", "audiences": ["a"]}}}},
        SpecReason.FIELD_CONFLICT,
        "spec.config.auth.jwt",
    ),
    ({"service": {"port": 9090}}, SpecReason.PORT_CONFLICT, "spec.service.port"),
    ({"service": {"metricsPort": 80}}, SpecReason.PORT_CONFLICT, "spec.service.port"),
    ({"ingress": {"host": "a.b", "path": "/a//b"}}, SpecReason.INGRESS_INVALID, "spec.ingress.path"),
    ({"ingress": {"host": "a.b", "path": "/a/.."}}, SpecReason.INGRESS_INVALID, "spec.ingress.path"),
]

PASSES: list[dict[str, Any]] = [
    {},
    {"name": "a" * 52},
    {"namespace": {"name": "agents", "labels": {"example.com/team": ""}}},
    {"config": cache("redis"), "credentials": {"secretRef": {"name": "s"}}},
    {"config": models("http://localhost:1/", "http://[::1]:1/", "http://under_score.example.com")},
    {"probes": {"readiness": {"successThreshold": 2}, "startup": {"initialDelaySeconds": 0}}},
    {"ingress": {"host": "a.b", "path": "/a/.b/c..d"}},
    vault(A="secret/name-1"),
    vault(A="b") | {"identity": {"serviceAccount": {"name": "mine"}}},
    vault(A="b") | {"identity": {"serviceAccount": {"annotations": {"azure.workload.identity/client-id": "x"}}}},
    {"credentials": {"externalSecret": {"azureKeyVault": VAULT | {"authType": "ManagedIdentity"}, "data": {"A": "b"}}}},
    {"credentials": {"externalSecret": {"secretStoreRef": {"name": "s"}, "data": {"A": "any path/at all"}}}},
    {
        "credentials": {"secretRef": {"name": "s"}},
        "env": [{"name": "REDIS_PASSWORD", "value": "x"}],
        "config": cache("r"),
    },
    {"resources": {"requests": {"cpu": 4}}},
    {"resources": {"limits": {"cpu": "100m", "memory": "64Mi"}}},
]

KEYS: dict[str, Any] = {"apiKeys": {"secretKeyRef": {"name": "keys", "key": "keys"}}}
NGINX_AUTH = {"nginx.ingress.kubernetes.io/auth-url": "https://sso.example.com/auth"}
AZURE = {"models": [{"name": "m", "provider": "azure_openai", "deployment": "d"}]}


def tools(**server: Any) -> dict[str, Any]:
    given = {"name": "s", "type": "http", "url": "https://tools.example.com/mcp"} | server
    return ECHO | {"mcp": [given]}


def side(**fields: Any) -> dict[str, Any]:
    return {"podTemplate": {"spec": {"containers": [{"name": "side", "image": "registry.example.com/a:1"} | fields]}}}


VLLM = models("http://vllm:8000/v1")
# Fields of a model that do not fit the others.
UNSUITABLE: dict[str, dict[str, Any]] = {
    "tls": {"tls": {"caFile": "/ca.pem"}},
    "timeouts.firstByteSeconds": {"timeouts": {"firstByteSeconds": 20, "totalSeconds": 10}},
    "timeouts.firstByteSeconds ": {"timeouts": {"firstByteSeconds": 301}},
    "streaming": {"api": "embeddings", "streaming": True},
    "parameters.maxTokens": {"api": "embeddings", "parameters": {"maxTokens": 5}},
}

WITH_WARNING: list[tuple[dict[str, Any], SpecReason, str]] = [
    ({"credentials": {"values": {"A": "b"}}}, SpecReason.PLAIN_CREDENTIALS, "spec.credentials.values"),
    ({"replicas": 3, "autoscaling": {}}, SpecReason.REPLICAS_IGNORED, "spec.replicas"),
    (vault(AZURE_CLIENT_SECRET="s"), SpecReason.IDENTITY_OVERRIDDEN, "spec.credentials"),
    (
        {"identity": IDENTITY | {"serviceAccount": {"name": "x"}}},
        SpecReason.IDENTITY_NOT_ANNOTATED,
        "spec.identity.serviceAccount.name",
    ),
    ({"disruptionBudget": {"minAvailable": 3}}, SpecReason.BUDGET_LOWERED, "spec.disruptionBudget"),
    ({"disruptionBudget": {"minAvailable": "100%"}}, SpecReason.BUDGET_LOWERED, "spec.disruptionBudget"),
    ({"disruptionBudget": {"maxUnavailable": 0}}, SpecReason.BUDGET_LOWERED, "spec.disruptionBudget"),
    ({"config": models("http://vllm.models.svc/v1")}, SpecReason.PORT_MAY_DIFFER, "spec.config.models[0].baseUrl"),
    (
        {"config": models("https://llm.corp.internal/v1")},
        SpecReason.PRIVATE_HOST_BLOCKED,
        "spec.config.models[0].baseUrl",
    ),
    (
        {"config": models("https://a.privatelink.openai.azure.com")},
        SpecReason.PRIVATE_HOST_BLOCKED,
        "spec.config.models[0].baseUrl",
    ),
    ({"config": cache("redis.lan")}, SpecReason.PRIVATE_HOST_BLOCKED, "spec.config.memory.cache.host"),
    ({"config": tools(headersFrom={"X": "TOKEN"})}, SpecReason.VARIABLE_UNSET, "spec.config.mcp[0].headersFrom[X]"),
    (
        {"config": AZURE, "credentials": {"secretRef": {"name": "s", "keys": ["AZURE_OPENAI_API_KEY"]}}},
        SpecReason.VARIABLE_UNSET,
        "spec.config.models[0].endpoint",
    ),
    (
        {"config": AZURE, "env": [{"name": "AZURE_OPENAI_ENDPOINT", "value": "https://a.example.com"}]},
        SpecReason.CREDENTIALS_UNSET,
        "spec.config.models[0]",
    ),
    (
        {"config": {"models": [{"name": "m", "provider": "openai"}]}},
        SpecReason.CREDENTIALS_UNSET,
        "spec.config.models[0]",
    ),
    (
        {"config": models("http://vllm:8000/v1", apiKeyFrom={"env": "TOKEN"})},
        SpecReason.VARIABLE_UNSET,
        "spec.config.models[0].apiKeyFrom.env",
    ),
    (
        {"config": models("http://vllm:8000/v1", headersFrom={"X-Key": "TOKEN"})},
        SpecReason.VARIABLE_UNSET,
        "spec.config.models[0].headersFrom[X-Key]",
    ),
    (
        {"config": models("https://api.openai.com/v1", "http://vllm:8000/v1"), **OPENAI_KEY},
        SpecReason.DEFAULT_KEY_WITHHELD,
        "spec.config.models[1].apiKeyFrom",
    ),
    ({"resources": {"requests": {"memory": "256m"}}}, SpecReason.QUANTITY_TOO_SMALL, "spec.resources.requests.memory"),
    (
        {"resources": {"requests": {"memory": 512}}},
        SpecReason.QUANTITY_TOO_SMALL,
        "spec.resources.requests.memory",
    ),
    (
        side(resources={"limits": {"memory": "64m"}}),
        SpecReason.QUANTITY_TOO_SMALL,
        "spec.podTemplate.spec.containers[0].resources.limits.memory",
    ),
    (
        {"podTemplate": {"spec": {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1k"}}]}}},
        SpecReason.QUANTITY_TOO_SMALL,
        "spec.podTemplate.spec.volumes[0].emptyDir.sizeLimit",
    ),
    *(
        ({"config": VLLM} | spec, SpecReason.SESSIONS_NOT_SHARED, "spec.config.memory.cache")
        for spec in (
            {},
            {"replicas": 2},
            {"autoscaling": {"minReplicas": 1}},
            {"config": VLLM | {"memory": {"cache": {"enabled": False}}}},
            {"rollout": {"strategy": "Canary"}},
        )
    ),
    (
        {"config": redis(host="r.cache.azure.net", ssl=True, entraId=True)},
        SpecReason.CREDENTIALS_UNSET,
        "spec.config.memory.cache.entraId",
    ),
    ({"config": tokens(preset="kubernetes")}, SpecReason.SUBJECTS_UNRESTRICTED, "spec.config.auth.jwt.subjects"),
    (
        {"config": tokens(issuer="http://sso.example.com")},
        SpecReason.ISSUER_NOT_ENCRYPTED,
        "spec.config.auth.jwt.issuer",
    ),
    (
        {"config": tokens(issuer="https://sso.example.com", jwksUrl="http://sso.example.com/keys")},
        SpecReason.ISSUER_NOT_ENCRYPTED,
        "spec.config.auth.jwt.jwksUrl",
    ),
    *(
        (
            {"config": ECHO | {"server": {"trustedProxies": ["10.0.0.0/8", network]}}},
            SpecReason.EVERY_PROXY_TRUSTED,
            "spec.config.server.trustedProxies[1]",
        )
        for network in ("0.0.0.0/0", "::/0")
    ),
    *(
        (
            {"config": {"models": [*models("http://vllm:8000/v1", **fields)["models"], *ECHO["models"]]}},
            SpecReason.FIELD_UNSUITABLE,
            f"spec.config.models[0].{field.strip()}",
        )
        for field, fields in UNSUITABLE.items()
    ),
    *(
        (
            {"config": ECHO | limits, "ingress": {"host": "a.b", "maxBodySize": size}, **KEYS},
            SpecReason.BODY_LIMITS_DIFFER,
            "spec.ingress.maxBodySize",
        )
        for size, limits in (
            ("11m", {}),
            ("0", {}),
            ("1G", {}),
            ("10241K", {}),
            ("5000", {"limits": {"maxBodyBytes": 4999}}),
        )
    ),
    (
        {"podTemplate": {"spec": {"volumes": [{"name": "v", "emptyDir": {"medium": "X"}}]}}},
        SpecReason.POD_CANNOT_START,
        "spec.podTemplate.spec.volumes[0].emptyDir.medium",
    ),
    (
        side(livenessProbe={"tcpSocket": {"port": "http"}}),
        SpecReason.POD_CANNOT_START,
        "spec.podTemplate.spec.containers[0].livenessProbe.tcpSocket.port",
    ),
    (
        {"probes": {"readiness": {"httpGet": {"path": "/", "port": "web"}}}},
        SpecReason.POD_CANNOT_START,
        "spec.probes.readiness.httpGet.port",
    ),
    ({"runtime": {"image": "myimage"}}, SpecReason.IMAGE_UNQUALIFIED, "spec.runtime.image"),
    ({"runtime": {"image": "team/myimage:1"}}, SpecReason.IMAGE_UNQUALIFIED, "spec.runtime.image"),
    (
        {"podTemplate": {"spec": {"containers": [{"name": "log", "image": "fluent/fluent-bit:3"}]}}},
        SpecReason.IMAGE_UNQUALIFIED,
        "spec.podTemplate.spec.containers[log].image",
    ),
    ({"ingress": {"host": "a.b", "path": "/x"}, **KEYS}, SpecReason.PATH_NOT_STRIPPED, "spec.ingress.path"),
    ({"ingress": {"host": "a.b"}}, SpecReason.EXPOSED_WITHOUT_AUTH, "spec.ingress"),
    ({"gateway": {"parentRefs": [{"name": "web"}]}}, SpecReason.EXPOSED_WITHOUT_AUTH, "spec.gateway"),
    ({"service": {"type": "NodePort"}}, SpecReason.EXPOSED_WITHOUT_AUTH, "spec.service.type"),
    (
        {"ingress": {"host": "a.b", "annotations": NGINX_AUTH}, "service": {"type": "LoadBalancer"}},
        SpecReason.EXPOSED_WITHOUT_AUTH,
        "spec.service.type",
    ),
]

WITHOUT_WARNING: list[dict[str, Any]] = [
    {"podTemplate": {"spec": {"volumes": [{"name": "v", "emptyDir": {"medium": "HugePages-2Mi"}}]}}},
    side(ports=[{"name": "web", "containerPort": 80}], livenessProbe={"httpGet": {"path": "/", "port": "web"}}),
    {"probes": {"readiness": {"httpGet": {"path": "/", "port": "http"}}, "liveness": {"tcpSocket": {"port": 8000}}}},
    {
        "podTemplate": {"spec": {"containers": [{"name": "agent", "ports": [{"name": "x", "containerPort": 81}]}]}},
        "probes": {"startup": {"tcpSocket": {"port": "x"}}},
    },
    {"config": models("http://vllm:8000/v1", apiKeyFrom={"none": True}), **OPENAI_KEY},
    {"config": models("http://vllm:8000/v1", "http://vllm:8000/v2"), **OPENAI_KEY},
    {"config": models("http://vllm:8000/v1", "http://ollama:11434/v1")},
    {
        "config": models("http://a:8000/v1", "http://b:8000/v1", apiKeyFrom=OWN_KEY),
        **OPENAI_KEY,
    },
    {"config": models("https://api.openai.com/v1", apiKeyFrom=OWN_KEY)},
    {"ingress": {"host": "a.b"}, "gateway": {"parentRefs": [{"name": "web"}]}, **KEYS},
    {"ingress": {"host": "a.b", "annotations": NGINX_AUTH}},
    {"service": {"type": "ClusterIP"}},
    {"config": tools(headersFrom={"X": "TOKEN"}), "credentials": {"secretRef": {"name": "s", "keys": ["TOKEN"]}}},
    {
        "config": tools(headersFrom={"X": "TOKEN"}),
        "podTemplate": {"spec": {"containers": [{"name": "agent", "envFrom": [{"secretRef": {"name": "s"}}]}]}},
    },
    {"config": AZURE, "credentials": {"secretRef": {"name": "s"}}},
    {"config": {"models": [AZURE["models"][0] | {"endpoint": "https://a.example.com"}]}, "identity": IDENTITY},
    {"resources": {"requests": {"memory": 0}, "limits": {"memory": "1Gi"}}},
    {"config": models("https://llm.corp.internal/v1"), "networkPolicy": {"allowPrivateNetworks": True}},
    {"config": models("https://llm.corp.internal/v1"), "networkPolicy": {"enabled": False}},
    {"config": models("http://vllm.models.svc.cluster.local:8000/v1")},
    {"config": models("https://internal.example.com", "https://local.example.com")},
    {"runtime": {"image": "localhost/myimage"}},
    {"runtime": {"image": "registry:5000/myimage"}},
    {"runtime": {"image": "ghcr.io/team/myimage@sha256:" + "a" * 64}},
    {"podTemplate": {"spec": {"containers": [{"name": "log", "image": "docker.io/fluent/fluent-bit:3"}]}}},
    {},
    {"replicas": 0, "disruptionBudget": {"minAvailable": 1}},
    {"identity": IDENTITY, "credentials": {"secretRef": {"name": "s"}}},
    {"config": models("http://vllm.models.svc:8000/v1", "https://api.example.com/v1")},
    {"config": models("http://vllm.models.svc/v1"), "networkPolicy": {"enabled": False}},
    {"ingress": {"host": "a.b"}, **KEYS},
    {"ingress": {"host": "a.b", "maxBodySize": "10m"}, **KEYS},
    {"ingress": {"host": "a.b"}, "config": tokens(issuer="https://sso.example.com")},
    {"ingress": {"host": "a.b"}, "config": tokens(preset="kubernetes", subjects=["system:serviceaccount:a:*"])},
    {"config": tokens(issuer="http://keycloak.sso.svc:8080/realms/a")},
    {"config": redis(host="r.cache.azure.net", ssl=True, entraId=True), "identity": IDENTITY},
    {"config": models("http://vllm:8000/v1", timeouts={"firstByteSeconds": 20, "totalSeconds": 30})},
    {
        "ingress": {"host": "a.b", "maxBodySize": "20m"},
        "config": ECHO | {"limits": {"maxBodyBytes": 20 << 20}},
        **KEYS,
    },
    {
        "ingress": {"host": "a.b", "path": "/x", "annotations": {"nginx.ingress.kubernetes.io/rewrite-target": "/"}},
        **KEYS,
    },
]


@pytest.mark.parametrize(("spec", "reason", "field"), REJECTED, ids=lambda value: str(value)[:60])
def test_invalid_spec_is_rejected_with_one_reason_and_its_field(
    spec: dict[str, Any], reason: SpecReason, field: str
) -> None:
    failures = validation.check(inputs(**spec))
    assert [(failure.reason, failure.field) for failure in failures] == [(reason, field)]
    assert failures[0].message.count(":") >= 1, "a message names the fault, then the remedy"


@pytest.mark.parametrize("spec", PASSES, ids=lambda value: str(value)[:60])
def test_valid_spec_passes_and_renders(spec: dict[str, Any]) -> None:
    assert validation.check(inputs(**spec)) == ()
    assert render(inputs(**spec)).manifests


@pytest.mark.parametrize(("spec", "reason", "field"), WITH_WARNING, ids=lambda value: str(value)[:60])
def test_spec_passes_with_a_warning(spec: dict[str, Any], reason: SpecReason, field: str) -> None:
    chosen = spec if reason == SpecReason.SESSIONS_NOT_SHARED else with_affinity(spec)
    assert validation.check(inputs(**chosen)) == ()
    assert [(note.reason, note.field) for note in validation.warnings(inputs(**chosen))] == [(reason, field)]


@pytest.mark.parametrize("spec", WITHOUT_WARNING, ids=lambda value: str(value)[:60])
def test_valid_spec_has_no_warning(spec: dict[str, Any]) -> None:
    chosen = inputs(**with_affinity(spec))
    assert validation.check(chosen) == validation.warnings(chosen) == ()


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"config": VLLM, "replicas": 1},
        {"config": VLLM, "replicas": 0},
        {"config": cache("redis"), "credentials": {"secretRef": {"name": "s"}}},
        {"config": VLLM, "service": {"sessionAffinity": "None"}},
        {"config": VLLM, "autoscaling": {"minReplicas": 1, "maxReplicas": 1, "targetMemoryUtilizationPercentage": 0}},
    ],
    ids=str,
)
def test_sessions_of_one_pod_or_in_redis_are_no_warning(spec: dict[str, Any]) -> None:
    """The same holds if the spec sets the affinity of the Service, and for agents that only echo."""
    assert validation.warnings(inputs(**spec)) == ()


def with_affinity(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a spec without the warning that all agents with several pods have."""
    return spec | {"service": {"sessionAffinity": "ClientIP"} | spec.get("service", {})}


def test_every_reason_has_a_case() -> None:
    tested = {reason for _, reason, _ in [*REJECTED, *WITH_WARNING]}
    in_render = {SpecReason.SPEC_NOT_RENDERABLE, SpecReason.POD_TEMPLATE_INVALID, SpecReason.POD_TEMPLATE_UNSAFE}
    in_gather = {SpecReason.SPEC_TOO_LARGE, SpecReason.PROMPT_TOO_EXPENSIVE, SpecReason.CHECKS_TOO_EXPENSIVE}
    in_gather |= {SpecReason.ROUTE_SHARED, SpecReason.INGRESS_CLASS_MISSING, SpecReason.ISSUER_MISSING}
    in_fields = {SpecReason.AUTOSCALER_TARGETS_DEPLOYMENT, SpecReason.REPLICAS_UNSET}
    assert tested | in_render | in_gather | in_fields == set(SpecReason), (
        "tests/unit/agent_operator/{render,inputs,sandbox} and test_fields.py test those"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", "must be a mapping with the single field checks"),
        ("checks: [{name: a, prompt: x}, {name: B, prompt: x, contains: [y]}]", "checks[1].name: String should match"),
        (
            "checks: [{name: a, prompt: x, model: gpt, contains: [y]}]",
            "checks[0].model: gpt is not one of models: echo",
        ),
    ],
)
def test_invalid_checks_in_a_config_map_are_rejected_with_their_path(text: str, expected: str) -> None:
    failures = validation.check(replace(inputs(**canary(checksFrom=FROM_CONFIG_MAP)), checks_text=text))
    assert {failure.field for failure in failures} == {f"{CANARY}.checksFrom.configMapKeyRef"}
    assert {failure.reason for failure in failures} == {SpecReason.CHECKS_INVALID}
    assert any(expected in failure.message for failure in failures)
    assert not any(failure.retry for failure in failures)


def test_checks_without_a_canary_are_ignored() -> None:
    """Checks without a canary have no effect, and the API server rejects them."""
    spec: dict[str, Any] = {"rollout": {"canary": {"checksFrom": FROM_CONFIG_MAP}}}
    assert validation.check(inputs(**spec)) == ()
