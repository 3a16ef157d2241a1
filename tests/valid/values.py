"""What the fields of valid agents hold, where no schema says it: Kubernetes' own types, URLs, unions."""

from typing import Any

from hypothesis import strategies as st

Values = st.SearchStrategy[Any]


def optional(**fields: Values) -> Values:
    """Return objects of these fields, each of which may be missing."""
    return st.fixed_dictionaries({}, optional=fields)


words = st.sampled_from(["a", "true", "1", "über", 'quoted "it"', "{{ x }}", "a: b", "- [", "a\nb", "🙂"])
labels = st.dictionaries(st.sampled_from(["team", "example.com/tier"]), st.sampled_from(["", "a", "B_1.x"]), max_size=2)
names = st.sampled_from(["a", "web-1", "0x"])
urls = st.sampled_from(
    [
        "https://llm.example.com/v1",
        "http://vllm.models.svc.cluster.local:8000/v1",
        "http://10.1.2.3:8080",
        "https://[2001:db8::1]/v1",
        "http://llm",
        "http://redis.cache:81/x?y=z",
        "http://localhost:9",
    ]
)
resource_env = st.sampled_from(
    [
        {"resource": "limits.cpu", "divisor": "1m"},
        {"resource": "requests.memory", "divisor": "1Mi"},
        {"resource": "limits.cpu"},
    ]
)
key_refs = st.fixed_dictionaries({"name": names, "key": st.just("k")}, optional={"optional": st.booleans()})
env_sources = st.one_of(
    st.fixed_dictionaries({"fieldRef": st.just({"fieldPath": "status.podIP"})}),
    st.fixed_dictionaries({"resourceFieldRef": resource_env}),
    st.fixed_dictionaries({"secretKeyRef": key_refs}),
    st.fixed_dictionaries({"configMapKeyRef": key_refs}),
)
env = st.dictionaries(
    st.sampled_from(["HTTPS_PROXY", "OTEL_EXPORTER_OTLP_ENDPOINT", "a.b-c", "TEAM"]),
    st.fixed_dictionaries({"value": words | urls | st.just("")}) | st.fixed_dictionaries({"valueFrom": env_sources}),
    max_size=3,
).map(lambda given: [{"name": name, **rest} for name, rest in given.items()])

variables = st.sampled_from(["TOKEN", "_x", "A1", "AZURE_CLIENT_ID"])
HASHES = st.sampled_from([{}, {"k": "0123", "web-1": "4567", "configmap/a": "89ab"}])
uids = st.sampled_from(["", "3b1f0a52-6a0e-4b8b-9d7c-1f2e3d4c5b6a"])
selectors = st.fixed_dictionaries({"matchLabels": labels})
peers = st.one_of(
    st.fixed_dictionaries({"namespaceSelector": selectors}, optional={"podSelector": selectors}),
    st.fixed_dictionaries(
        {"ipBlock": st.sampled_from([{"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}, {"cidr": "2001:db8::/32"}])}
    ),
)
ports = st.sampled_from([{"port": 443}, {"port": "http", "protocol": "TCP"}, {"port": 1, "endPort": 9}, {}])
own_label = {"matchLabels": {"app": "a"}}
term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": own_label}
zone = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
AFFINITIES = [
    {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}},
    {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}},
    {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [zone]}}},
]
METRICS = [
    {"type": "Pods", "pods": {"metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "1500m"}}},
    {"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": "30"}}},
    {"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 60}}},
]
SPREADS = [
    {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 2},
    {"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": own_label},
]
TOLERATIONS = [
    {"operator": "Exists"},
    {"key": "gpu", "value": "a", "effect": "NoSchedule"},
    {"key": "gone", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0},
]
BEHAVIORS: list[dict[str, Any]] = [
    {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 9}], "tolerance": "0.05"}},
    {"scaleDown": {"stabilizationWindowSeconds": 0, "selectPolicy": "Disabled"}},
]
KEY_REFERENCE = {"name": "vendor", "key": "a.b"}
MODEL_OPTIONS: dict[str, Values] = {
    "apiKeyFrom": st.sampled_from([{"secretKeyRef": KEY_REFERENCE}, {"env": "TOKEN"}, {"none": True}]),
    "headersFrom": st.just({"X-Team": "TEAM", "Authorization": "TOKEN"}),
    "parameters": st.sampled_from(
        [{"temperature": 0.5, "maxTokens": 9}, {"stop": ["a"], "seed": -1}, {"extra": {"b": [{"c": 1.5}], "a": True}}]
    ),
    "timeouts": st.sampled_from([{"firstByteSeconds": 0.5}, {"connectSeconds": 1, "totalSeconds": 30}]),
    "tls": st.sampled_from(
        [{"caFrom": {"secretKeyRef": KEY_REFERENCE}}, {"caFrom": {"configMapKeyRef": KEY_REFERENCE}}, {"caFile": "/x"}]
    ),
    "streaming": st.booleans(),
    "probe": st.sampled_from(["none", "models", "chat"]),
}
MODEL_ENDPOINTS = st.one_of(
    st.just({"provider": "echo"}),
    st.fixed_dictionaries({"provider": st.just("openai")}, optional={"baseUrl": urls, "model": words} | MODEL_OPTIONS),
    st.fixed_dictionaries(
        {"provider": st.just("azure_openai"), "deployment": words},
        optional={"endpoint": st.just("https://x.openai.azure.com/"), "apiVersion": st.just("2025-01-01")}
        | MODEL_OPTIONS,
    ),
)
MCP_SERVERS = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("http"), "url": urls},
        optional={"headersFrom": st.just({"Authorization": "TOKEN"}), "allowLinkLocal": st.booleans()},
    ),
    st.fixed_dictionaries(
        {"type": st.just("stdio"), "command": words}, optional={"args": st.just(["-v"]), "env": st.just(["TOKEN"])}
    ),
)
SKILLS = optional(name=words).map(lambda rest: rest | {"description": "d"})
CHECKS = optional(contains=st.just(["a"]), regex=st.just("(?i)a+"), jsonSchema=st.just({"type": "object"})).map(
    lambda rest: rest | {"prompt": "Are you there?", "maxTokens": 99}
)
CHECKS_TEXT = "checks: [{name: a, prompt: Are you there?, notContains: [x]}]"
RULES_IN = optional(**{"from": st.lists(peers, max_size=2), "ports": st.lists(ports, max_size=2)})
RULES_OUT = optional(to=st.lists(peers, max_size=2), ports=st.lists(ports, max_size=2))


def probe(kind: str) -> Values:
    """Return probes of a kind with at most one handler."""
    handlers = st.sampled_from(
        [
            {},
            {"httpGet": {"path": "/x", "port": 8000, "scheme": "HTTPS", "httpHeaders": [{"name": "A", "value": "b"}]}},
            {"tcpSocket": {"port": "http"}},
            {"exec": {"command": ["true"]}},
            {"grpc": {"port": 9090, "service": "s"}},
        ]
    )
    optional: dict[str, Values] = {
        "initialDelaySeconds": st.integers(0, 9),
        "periodSeconds": st.integers(1, 9),
        "timeoutSeconds": st.integers(1, 9),
        "failureThreshold": st.integers(1, 9),
        "successThreshold": st.integers(1, 3 if kind == "readiness" else 1),
    }
    if kind != "readiness":
        optional["terminationGracePeriodSeconds"] = st.integers(1, 9)
    return st.builds(lambda handler, rest: handler | rest, handlers, st.fixed_dictionaries({}, optional=optional))
