"""Strategies for valid specs of agents, with every field of the API.

The JSON Schema of the models decides the values of a field, so new fields are covered at once. Tables contain what no
schema expresses: fields that exclude each other, quantities, and the types of Kubernetes.
"""

from typing import Any

from hypothesis import strategies as st

from agent_operator.api.base import HOST_PATTERN, LABEL_PATTERN, PERCENT_PATTERN, SUBDOMAIN_PATTERN
from agent_operator.api.kubernetes_models import KUBERNETES_TYPE
from agent_operator.api.v1alpha1 import AgentDeployment, AgentDeploymentSpec
from agent_operator.render import Inputs, Platform
from tests.valid.pod_templates import TEMPLATES
from tests.valid.values import (
    AFFINITIES,
    BEHAVIORS,
    CHECKS,
    CHECKS_TEXT,
    HASHES,
    MCP_SERVERS,
    METRICS,
    MODEL_ENDPOINTS,
    RULES_IN,
    RULES_OUT,
    SKILLS,
    SPREADS,
    TOLERATIONS,
    Values,
    env,
    labels,
    names,
    optional,
    probe,
    uids,
    urls,
    variables,
    words,
)

SCHEMA = AgentDeploymentSpec.model_json_schema(by_alias=True)


def _names_agree(config: dict[str, Any]) -> dict[str, Any]:
    first = config["models"][0]["name"]
    changed = {"defaultModel": first, "fallbacks": [first]}
    # A budget in money needs prices.
    prices = {"prices": {"file": "/prices"}} if "costPerDay" in config.get("budget", {}) else {}
    return prices | config | {field: value for field, value in changed.items() if field in config}


def _vault_is_opened(spec: dict[str, Any]) -> dict[str, Any]:
    """A key vault needs a workload identity."""
    vault = spec.get("credentials", {}).get("externalSecret", {}).get("azureKeyVault")
    if vault is None or vault.get("authType") == "ManagedIdentity":
        return spec
    return spec | {"identity": spec.get("identity", {}) | {"azureWorkloadIdentity": {"clientId": "c"}}}


def _keys_have_one_place(spec: dict[str, Any]) -> dict[str, Any]:
    if "apiKeys" not in spec:
        return spec
    server = {field: value for field, value in spec["config"].get("server", {}).items() if field != "apiKeysFile"}
    return spec | {"config": spec["config"] | {"server": server}}


def _has_one_proxy(spec: dict[str, Any]) -> dict[str, Any]:
    has_variable = any(variable["name"] == "HTTPS_PROXY" for variable in spec.get("env", ()))
    return {field: value for field, value in spec.items() if field != "proxy" or not has_variable}


def _has_one_collector(spec: dict[str, Any]) -> dict[str, Any]:
    has_variable = any(variable["name"].startswith("OTEL_") for variable in spec.get("env", ()))
    if not has_variable or "tracing" not in spec.get("monitoring", {}):
        return spec
    monitoring = {field: value for field, value in spec["monitoring"].items() if field != "tracing"}
    return spec | {"monitoring": monitoring}


def _has_one_redis(cache: dict[str, Any]) -> dict[str, Any]:
    """Sentinel excludes a Cluster, and TLS and tokens require ssl."""
    if "sentinel" in cache:
        cache.pop("cluster", None)
    return cache | {"ssl": True} if "tls" in cache or cache.get("entraId") else cache


def _has_one_tag(runtime: dict[str, Any]) -> dict[str, Any]:
    has_tag = any(mark in runtime.get("image", "").rpartition("/")[2] for mark in ":@")
    return {field: value for field, value in runtime.items() if field != "version" or not has_tag}


def _replaces_pods(rollout: dict[str, Any]) -> dict[str, Any]:
    """A canary never reduces the capacity."""
    update = {"rollingUpdate": {"maxSurge": "50%"}} if "rollingUpdate" in rollout else {}
    return rollout | {"strategy": "Canary"} | update


def _is_internal(autoscaling: dict[str, Any]) -> dict[str, Any]:
    """An external autoscaler has no settings, and one without metrics would get a metric of Kubernetes."""
    rest = {field: value for field, value in autoscaling.items() if field != "external"}
    return rest | ({"targetCPUUtilizationPercentage": 50} if rest.get("targetCPUUtilizationPercentage") == 0 else {})


def _has_hosts(ingress: dict[str, Any]) -> dict[str, Any]:
    has_secret = any("tlsSecretName" in host for host in ingress.get("hosts", ()))
    return ingress | ({"tls": {}} if has_secret else {}) | ({} if "hosts" in ingress else {"host": "x.y"})


def _has_families(service: dict[str, Any]) -> dict[str, Any]:
    return service | ({"ipFamilyPolicy": "PreferDualStack"} if len(service.get("ipFamilies", ())) > 1 else {})


def values(node: dict[str, Any]) -> Values:
    """Return a strategy for a node of the schema."""
    if "$ref" in node or KUBERNETES_TYPE in node:
        return model(node.get(KUBERNETES_TYPE) or node["$ref"].rpartition("/")[2])
    if "anyOf" in node:
        return st.one_of([values(variant) for variant in node["anyOf"] if variant.get("type") != "null"])
    if "enum" in node or "const" in node:
        return st.sampled_from(node.get("enum") or [node["const"]])
    low = node.get("minimum", 0)
    plain = {"object": labels, "boolean": st.booleans(), "integer": st.integers(low, low + 20)}
    if node["type"] in plain:
        return plain[node["type"]]
    if node["type"] == "string":
        return PATTERNS[node["pattern"]] if "pattern" in node else words
    fewest = node.get("minItems", 0)
    return st.lists(values(node["items"]), min_size=fewest, max_size=fewest + 1, unique_by=repr)


def model(name: str) -> Values:
    """Return objects of a model."""
    return st.deferred(lambda: MODELS[name] if name in MODELS else objects(name))


def objects(name: str, *exclusive: str, needed: tuple[str, ...] = ()) -> Values:
    """Return objects of a model that have one of the fields that exclude each other, and any others."""
    node = SCHEMA["$defs"].get(name, SCHEMA)
    strategies = {field: _field(f"{name}.{field}", child) for field, child in node["properties"].items()}
    optional = {field: child for field, child in strategies.items() if field not in exclusive}
    required = {field: optional.pop(field) for field in {*node.get("required", ()), *needed}}
    if not exclusive:
        return st.fixed_dictionaries(required, optional=optional)
    return st.one_of([st.fixed_dictionaries(required | {one: strategies[one]}, optional=optional) for one in exclusive])


def _field(path: str, node: dict[str, Any]) -> Values:
    return FIELDS[path] if path in FIELDS else values(node)


def unique_by(key: str, by: list[str], rest: Values, fewest: int = 0) -> Values:
    """Return lists of up to two objects, no two with the same key."""
    found = st.dictionaries(st.sampled_from(by), rest, min_size=fewest, max_size=2)
    return found.map(lambda given: [{key: name, **fields} for name, fields in given.items()])


PATTERNS: dict[str, Values] = {
    LABEL_PATTERN: names,
    SUBDOMAIN_PATTERN: names | st.just("a.example.com"),
    PERCENT_PATTERN: st.sampled_from(["0%", "50%", "1", "100%"]),
    r"^[-._a-zA-Z0-9]+$": st.sampled_from(["k", "a.txt", "-_."]),
    r"^[A-Za-z_][A-Za-z0-9_]*$": variables,
    r"^([0-9]+(h|m|s|ms))+$": st.sampled_from(["1h30m", "15s"]),
    r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$": st.sampled_from(["m", "gpt-4.1", "A_b"]),
    r"^https?://[^\s/?#]+[^\s]*$": urls,
    r"^https?://[^\s/?#]+\S*$": st.just("http://collector.observability.svc:4318"),
    r"^[^\s]+$": st.sampled_from(["/keys/file", "../file"]),
    r"^(\*|https?://[^\s/*]+)$": st.sampled_from(["*", "https://app.example.com"]),
    r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$": st.sampled_from(["1.2.3", "_x"]),
    r"^[a-zA-Z0-9][a-zA-Z0-9._/:@-]*$": st.sampled_from(["r.io:5000/a/b:1", "a", f"a@sha256:{'0' * 64}"]),
    r"^https://[a-zA-Z0-9.-]+/?$": st.just("https://kv.vault.azure.net"),
    r"^/[^\s]*$": st.sampled_from(["/", "/a/b", "/a%20b"]),
    rf"^$|{SUBDOMAIN_PATTERN}": st.sampled_from(["", "nginx"]),
    r"^https?://[^\s/?#@]+/?$": st.just("http://proxy.corp:3128"),
    r"^[^\s,]+$": st.sampled_from([".corp", "10.0.0.9"]),
    HOST_PATTERN: st.sampled_from(["a-2.b", "*.b"]),
    r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$": st.sampled_from(["sentinel", "redis.cache.svc:26380"]),
    r"^[A-Za-z0-9._-]+$": st.sampled_from(["mymaster", "a.b_c"]),
    r"^\S+$": st.sampled_from(["agent", "é"]),
    r"^[0-9A-Fa-f.:]{2,45}(/[0-9]{1,3})?$": st.sampled_from(["10.0.0.0/8", "fd00::/8", "10.0.0.1"]),
    r"^[0-9]+[kKmMgG]?$": st.sampled_from(["0", "8m"]),
}
PATTERNS["^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$"] = st.sampled_from(["redis", "redis.cache.svc", "10.0.0.9"])

_amount = st.sampled_from
FIELDS: dict[str, Values] = {
    "AgentDeploymentSpec.env": env,
    "AgentDeploymentSpec.podTemplate": TEMPLATES,
    "AgentDeploymentSpec.commonLabels": st.just({"team": "a"}),
    "AgentDeploymentSpec.commonAnnotations": st.just({"example.com/a": "é: {"}),
    "NamespaceSpec.name": st.just("agent-of-team"),
    "Credentials.values": st.dictionaries(variables, words, min_size=1, max_size=2),
    "ExternalSecret.data": st.just({"AZURE_OPENAI_API_KEY": "openai-key"}),
    "Autoscaling.minReplicas": st.integers(1, 10),
    "Autoscaling.maxReplicas": st.integers(10, 20),
    "Resources.requests": optional(
        **{
            "cpu": _amount(["10m", "0.5", 1]),
            "memory": _amount(["64Mi", 2**20]),
            "ephemeral-storage": _amount(["1Mi"]),
        },
        **{"hugepages-2Mi": _amount(["4Mi"])},
    ),
    "Resources.limits": optional(
        **{"cpu": _amount(["2", "2500m"]), "memory": _amount(["2Gi", "4e9"]), "ephemeral-storage": _amount([2**40])},
        **{"nvidia.com/gpu": _amount([1, "2"])},
    ),
    "IngressSpec.host": st.just("x.y"),
    "IngressSpec.hosts": st.lists(
        st.deferred(lambda: objects("IngressHost")), min_size=1, max_size=2, unique_by=lambda host: host["host"]
    ),
    "Canary.checks": unique_by("name", ["a", "m-1"], CHECKS, fewest=1),
    "ProbesSpec.startup": probe("startup"),
    "ProbesSpec.readiness": probe("readiness"),
    "ProbesSpec.liveness": probe("liveness"),
    "ServiceSpec.port": st.sampled_from([80, 65535]),
    "ServiceSpec.metricsPort": st.sampled_from([9090, 1]),
    "AgentConfig.budget": st.sampled_from(
        [{"tokensPerDay": 5}, {"tokensPerMonth": 7, "costPerDay": 0.5, "costPerMonth": 100}]
    ),
    "AgentConfig.models": unique_by("name", ["m", "n", "gpt-4.1"], MODEL_ENDPOINTS, fewest=1),
    "AgentConfig.mcp": unique_by("name", ["files", "web-1"], MCP_SERVERS),
    "CardConfig.skills": unique_by("id", ["a", "B_1"], SKILLS),
}


def _checks_have_a_key(spec: dict[str, Any]) -> dict[str, Any]:
    """The checks of a canary cannot call an agent that accepts only tokens."""
    is_open = spec.get("apiKeys") or (spec["config"].get("server") or {}).get("apiKeysFile")
    if is_open or "auth" not in spec["config"]:
        return spec
    return spec | {"config": {field: value for field, value in spec["config"].items() if field != "auth"}}


MODELS: dict[str, Values] = {
    "AgentConfig": objects("AgentConfig").map(_names_agree),
    "AgentDeploymentSpec": objects("AgentDeploymentSpec")
    .map(_vault_is_opened)
    .map(_keys_have_one_place)
    .map(_checks_have_a_key)
    .map(_has_one_proxy)
    .map(_has_one_collector),
    "CacheConfig": objects("CacheConfig", needed=("host",)).map(_has_one_redis),
    "CaSource": objects("CaSource", "secretKeyRef", "configMapKeyRef"),
    "PricesSource": objects("PricesSource", "configMapKeyRef", "file"),
    "ModelTls": objects("ModelTls", "caFrom", "caFile"),
    "RedisTls": objects("RedisTls", "caFrom", "caFile"),
    "Canary": objects("Canary", "checks", "checksFrom"),
    "Credentials": objects("Credentials", "secretRef", "externalSecret", "values"),
    "DisruptionBudget": objects("DisruptionBudget", "minAvailable", "maxUnavailable") | st.just({}),
    "ExternalSecret": objects("ExternalSecret", "azureKeyVault", "secretStoreRef"),
    "JwtConfig": st.sampled_from(
        [
            {"preset": "kubernetes", "audiences": ["a"], "subjects": ["system:serviceaccount:a:*"]},
            {"preset": "entra_id", "tenantId": "7d1f2e3d-4c5b-6a00-0000-000000000000", "audiences": ["api://a"]},
            {"issuer": "https://sso.example.com", "audiences": ["a"], "requiredClaims": {"scp": "x"}},
        ]
    ),
    "IngressSpec": objects("IngressSpec").map(_has_hosts),
    "Rollout": objects("Rollout").map(_replaces_pods),
    "Runtime": objects("Runtime").map(_has_one_tag),
    "TrustedCa": objects("TrustedCa", "configMapKeyRef", "secretKeyRef"),
    "ServiceSpec": objects("ServiceSpec").map(_has_families),
    "ServiceAccountSpec": objects("ServiceAccountSpec", "name", "annotations"),
    "SystemPrompt": st.sampled_from(
        [
            {"text": "Be kind.\n---\n: {"},
            {"text": "{{ team | upper }}{% if x %}!{% endif %}", "variables": {"team": "a", "x": ""}},
            {"configMapKeyRef": {"name": "prompts", "key": "a.txt"}, "variables": {"unused": "{{ x }}"}},
        ]
    ),
    "Autoscaling": objects("Autoscaling").map(_is_internal),
    "V1Affinity": st.sampled_from(AFFINITIES),
    "V1NetworkPolicyEgressRule": RULES_OUT,
    "V1NetworkPolicyIngressRule": RULES_IN,
    "V1PodDNSConfigOption": st.sampled_from([{"name": "ndots", "value": "2"}, {"name": "edns0"}]),
    "V1Toleration": st.sampled_from(TOLERATIONS),
    "V1TopologySpreadConstraint": st.sampled_from(SPREADS),
    "V2HorizontalPodAutoscalerBehavior": st.sampled_from(BEHAVIORS),
    "V2MetricSpec": st.sampled_from(METRICS),
}


@st.composite
def agents(draw: st.DrawFn) -> Inputs:
    """Return the inputs of an agent whose references all exist."""
    metadata = {"name": draw(st.sampled_from(["a", f"a{'-b' * 25}c"])), "namespace": "team-a", "uid": draw(uids)}
    agent = AgentDeployment.model_validate({"metadata": metadata, "spec": draw(model("AgentDeploymentSpec"))})
    platform = Platform(kubernetes_minor=draw(st.sampled_from([25, 36])), manage_namespaces=draw(st.booleans()))
    given: dict[str, Any] = {"prompt_template": "Be kind.", "checks_text": CHECKS_TEXT, "hashes": draw(HASHES)}
    return Inputs(agent, platform=platform, **given)
