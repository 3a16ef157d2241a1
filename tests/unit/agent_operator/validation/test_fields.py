"""Rules of resources, rollouts, exposure, scaling, proxies and common metadata, case by case."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from agent_operator import validation
from agent_operator.api.reasons import SpecReason
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs import references
from agent_operator.inputs.agent_inputs import OtherAutoscaler
from agent_operator.inputs.proxy import goes_direct
from agent_operator.reconcile.factory import platform
from agent_operator.render import Inputs, Platform, render
from agent_operator.settings import Settings

ECHO = {"models": [{"name": "echo", "provider": "echo"}]}
UPDATE = "spec.rollout.rollingUpdate"


def inputs(**spec: Any) -> Inputs:
    body = {"metadata": {"name": "support", "namespace": "team-a"}, "spec": {"config": ECHO} | spec}
    return Inputs(AgentDeployment.model_validate(body))


def rolling(strategy: str | None = None, **update: Any) -> dict[str, Any]:
    chosen = {"strategy": strategy} if strategy else {}
    return {"rollout": chosen | {"rollingUpdate": update}}


def amounts(**kinds: dict[str, Any]) -> dict[str, Any]:
    return {"resources": kinds}


REJECTED: list[tuple[dict[str, Any], SpecReason, str]] = [
    (rolling(maxSurge=0, maxUnavailable=0), SpecReason.FIELD_CONFLICT, UPDATE),
    (rolling(maxSurge="0%", maxUnavailable="00%"), SpecReason.FIELD_CONFLICT, UPDATE),
    (rolling(maxUnavailable="101%"), SpecReason.FIELD_CONFLICT, f"{UPDATE}.maxUnavailable"),
    (rolling("Recreate", maxSurge=1), SpecReason.FIELD_CONFLICT, UPDATE),
    (rolling("Canary", maxUnavailable=1), SpecReason.FIELD_CONFLICT, f"{UPDATE}.maxUnavailable"),
    (rolling("Canary", maxSurge=0), SpecReason.FIELD_CONFLICT, UPDATE),
    (amounts(limits={"gpu": 1}), SpecReason.RESOURCES_INVALID, "spec.resources.limits[gpu]"),
    (amounts(requests={"cpus": 1}), SpecReason.RESOURCES_INVALID, "spec.resources.requests[cpus]"),
    (amounts(limits={"a/b/c": 1}), SpecReason.RESOURCES_INVALID, "spec.resources.limits[a/b/c]"),
    (amounts(limits={"kubernetes.io/x": 1}), SpecReason.RESOURCES_INVALID, "spec.resources.limits[kubernetes.io/x]"),
    (amounts(limits={"hugepages-": 1}), SpecReason.RESOURCES_INVALID, "spec.resources.limits[hugepages-]"),
    (amounts(limits={"nvidia.com/gpu": "500m"}), SpecReason.RESOURCES_INVALID, "spec.resources.limits[nvidia.com/gpu]"),
    (amounts(limits={"nvidia.com/gpu": -1}), SpecReason.RESOURCES_INVALID, "spec.resources.requests.nvidia.com/gpu"),
    (
        amounts(requests={"nvidia.com/gpu": 1}, limits={"nvidia.com/gpu": 2}),
        SpecReason.RESOURCES_INVALID,
        "spec.resources.requests[nvidia.com/gpu]",
    ),
    (
        amounts(requests={"hugepages-2Mi": "4Mi"}, limits={"hugepages-2Mi": "8Mi"}),
        SpecReason.RESOURCES_INVALID,
        "spec.resources.requests[hugepages-2Mi]",
    ),
]
INGRESS = "spec.ingress"
REJECTED += [
    ({"ingress": {}}, SpecReason.FIELD_CONFLICT, INGRESS),
    ({"ingress": {"tls": {}}}, SpecReason.FIELD_CONFLICT, INGRESS),
    (
        {"ingress": {"host": "a.b", "className": "nginx", "annotations": {"kubernetes.io/ingress.class": "nginx"}}},
        SpecReason.FIELD_CONFLICT,
        f"{INGRESS}.className",
    ),
    ({"ingress": {"host": "a.b", "hosts": [{"host": "a.b"}]}}, SpecReason.INGRESS_INVALID, f"{INGRESS}.hosts[0]"),
    ({"ingress": {"host": "a.b", "path": "/a//b"}}, SpecReason.INGRESS_INVALID, f"{INGRESS}.path"),
    ({"ingress": {"hosts": [{"host": "a.b"}], "path": "/../b"}}, SpecReason.INGRESS_INVALID, f"{INGRESS}.path"),
    (
        {"ingress": {"hosts": [{"host": "a.b", "paths": [{"path": "/"}, {"path": "/%2f"}]}]}},
        SpecReason.INGRESS_INVALID,
        f"{INGRESS}.hosts[0].paths[1].path",
    ),
    (
        {"ingress": {"hosts": [{"host": "a.b", "tlsSecretName": "s"}]}},
        SpecReason.FIELD_CONFLICT,
        f"{INGRESS}.hosts[0].tlsSecretName",
    ),
    ({"service": {"ipFamilies": ["IPv6", "IPv4"]}}, SpecReason.FIELD_CONFLICT, "spec.service.ipFamilies"),
    (
        {"service": {"ipFamilies": ["IPv6", "IPv6"], "ipFamilyPolicy": "PreferDualStack"}},
        SpecReason.FIELD_CONFLICT,
        "spec.service.ipFamilies",
    ),
]
RESERVED_KEYS = ["app", "agent-operator.dev/agent", "app.kubernetes.io/name", "pod-template-hash", "kubernetes.io/x"]
REJECTED += [
    *(({"commonLabels": {key: "x"}}, SpecReason.LABEL_INVALID, f"spec.commonLabels[{key}]") for key in RESERVED_KEYS),
    ({"commonLabels": {"team": "a b"}}, SpecReason.LABEL_INVALID, "spec.commonLabels[team]"),
    ({"commonLabels": {"a/b/c": "x"}}, SpecReason.LABEL_INVALID, "spec.commonLabels[a/b/c]"),
    *(
        ({"commonAnnotations": {key: "x"}}, SpecReason.LABEL_INVALID, f"spec.commonAnnotations[{key}]")
        for key in (
            "kubectl.kubernetes.io/last-applied-configuration",
            "container.apparmor.security.beta.kubernetes.io/agent",
            "agent-operator.dev/secret-hash",
            "prometheus.io/scrape",
            "deployment.kubernetes.io/revision",
        )
    ),
]
OFF = {"targetCPUUtilizationPercentage": 0, "targetMemoryUtilizationPercentage": 0}
EXTERNAL = {"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": 30}}}
REJECTED += [
    ({"autoscaling": {"external": True, "minReplicas": 1}}, SpecReason.FIELD_CONFLICT, "spec.autoscaling.external"),
    ({"autoscaling": OFF}, SpecReason.FIELD_CONFLICT, "spec.autoscaling.metrics"),
]
COLLECTOR = "http://collector.observability.svc:4318"


def tracing(endpoint: str = COLLECTOR, **fields: Any) -> dict[str, Any]:
    return {"tracing": {"endpoint": endpoint, **fields}}


PROXY = {"httpsProxy": "http://proxy:3128"}
REJECTED += [
    ({"monitoring": tracing("http://c:99999")}, SpecReason.ENDPOINT_INVALID, "spec.monitoring.tracing.endpoint"),
    ({"monitoring": tracing("http://u:p@c")}, SpecReason.ENDPOINT_INVALID, "spec.monitoring.tracing.endpoint"),
    (
        {"monitoring": tracing("http://169.254.169.254")},
        SpecReason.ENDPOINT_INVALID,
        "spec.monitoring.tracing.endpoint",
    ),
    *(
        (
            {"monitoring": tracing(**fields), "env": [{"name": name, "value": "x"}]},
            SpecReason.ENV_INVALID,
            "spec.env[0]",
        )
        for name, fields in (
            ("OTEL_EXPORTER_OTLP_ENDPOINT", {}),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", {}),
            ("OTEL_TRACES_SAMPLER", {"samplePercent": 0}),
            ("OTEL_EXPORTER_OTLP_HEADERS", {"headersFrom": {"secretKeyRef": {"name": "c", "key": "k"}}}),
        )
    ),
    *(
        (
            {"monitoring": {field: {"labels": {"a": "not valid"}}}},
            SpecReason.LABEL_INVALID,
            f"spec.monitoring.{field}.labels[a]",
        )
        for field in ("prometheusRule", "dashboard")
    ),
    ({"proxy": {"httpsProxy": "http://proxy:99999"}}, SpecReason.ENDPOINT_INVALID, "spec.proxy.httpsProxy"),
    ({"proxy": PROXY | {"httpProxy": "http://-x.y"}}, SpecReason.ENDPOINT_INVALID, "spec.proxy.httpProxy"),
    ({"proxy": {"httpsProxy": "http://169.254.169.254"}}, SpecReason.ENDPOINT_INVALID, "spec.proxy.httpsProxy"),
    ({"proxy": PROXY, "env": [{"name": "no_proxy", "value": "x"}]}, SpecReason.ENV_INVALID, "spec.env[0]"),
    ({"trustedCA": {}}, SpecReason.FIELD_CONFLICT, "spec.trustedCA"),
    (
        {"trustedCA": {"configMapKeyRef": {"name": "a"}, "secretKeyRef": {"name": "a"}}},
        SpecReason.FIELD_CONFLICT,
        "spec.trustedCA",
    ),
    *(
        ({"env": [{"name": name, "value": value}]}, SpecReason.ENV_INVALID, "spec.env[0]")
        for name, value in {"LISTEN_ADDRESS": "127.0.0.1", "PORT_HTTP": "80", "TRUSTED_CA_FILE": "/x"}.items()
    ),
]
ACCEPTED: list[dict[str, Any]] = [
    rolling(),
    rolling(maxSurge=0),
    rolling(maxSurge="25%", maxUnavailable="25%"),
    rolling(maxSurge="300%"),
    rolling("Canary", maxSurge="50%", maxUnavailable=0),
    {"rollout": {"strategy": "Recreate"}},
    {"ingress": {"host": "*.example.com", "className": ""}},
    {"ingress": {"host": "a.b", "annotations": {"kubernetes.io/ingress.class": "nginx"}}},
    {"ingress": {"hosts": [{"host": "a.b", "paths": [{"path": "/a|//b", "pathType": "ImplementationSpecific"}]}]}},
    {"gateway": {"parentRefs": [{"name": "g"}], "hostnames": ["*.example.com"]}},
    {"service": {"ipFamilies": ["IPv6"]}},
    {"service": {"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "RequireDualStack"}},
    {"commonLabels": {"team": "a", "app.kubernetes.io/part-of": "x"}, "commonAnnotations": {"example.com/a": "é "}},
    {"autoscaling": {"external": True}},
    {"autoscaling": {"external": False, "minReplicas": 1}},
    {"autoscaling": OFF | {"metrics": [EXTERNAL]}},
    {"env": [{"name": "LISTEN_ADDRESS", "value": "::"}]},
    {"monitoring": tracing(), "env": [{"name": "OTEL_TRACES_SAMPLER", "value": "always_off"}]},
    {"proxy": PROXY | {"noProxy": [".corp"]}, "trustedCA": {"secretKeyRef": {"name": "a", "key": "root.pem"}}},
    {"env": [{"name": "HTTPS_PROXY", "value": "not a url"}]},
    amounts(limits={"nvidia.com/gpu": 1}),
    amounts(requests={"nvidia.com/mig-1g.5gb": "2"}),
    amounts(limits={"nvidia.com/gpu": "1k", "amd.com/gpu": 0, "hugepages-1Gi": "2Gi"}),
]


@pytest.mark.parametrize(("spec", "reason", "field"), REJECTED)
def test_an_invalid_spec_is_rejected_with_the_field_and_a_remedy(
    spec: dict[str, Any], reason: SpecReason, field: str
) -> None:
    found = {(problem.reason, problem.field): problem for problem in validation.check(inputs(**spec))}
    assert (reason, field) in found
    assert ": " in found[reason, field].message


@pytest.mark.parametrize("spec", ACCEPTED)
def test_a_valid_spec_is_accepted(spec: dict[str, Any]) -> None:
    assert validation.check(inputs(**spec)) == ()


def _deployment(**spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = next(it for it in render(inputs(**spec)).manifests if it["kind"] == "Deployment")["spec"]
    return found


@pytest.mark.parametrize(
    ("rollout", "expected"),
    [
        ({}, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
        (
            {"rollingUpdate": {"maxSurge": "2"}},
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}},
        ),
        (
            {"rollingUpdate": {"maxSurge": 0}},
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
        ),
        ({"strategy": "Recreate"}, {"type": "Recreate"}),
    ],
)
def test_the_deployment_has_the_strategy_of_the_spec(rollout: dict[str, Any], expected: dict[str, Any]) -> None:
    assert _deployment(rollout=rollout)["strategy"] == expected


def test_the_history_limit_is_that_of_the_deployment_and_no_default_is_written() -> None:
    assert _deployment(rollout={"revisionHistoryLimit": 2})["revisionHistoryLimit"] == 2
    assert "revisionHistoryLimit" not in _deployment()


@pytest.mark.parametrize("kind", ["requests", "limits"])
def test_an_extended_resource_is_requested_and_limited_alike(kind: str) -> None:
    container = _deployment(resources={kind: {"nvidia.com/gpu": 2}})["template"]["spec"]["containers"][0]
    assert {it["nvidia.com/gpu"] for it in container["resources"].values()} == {"2"}


def test_common_metadata_is_on_every_child_and_pod_but_selects_nothing() -> None:
    common = {"commonLabels": {"team": "a"}, "commonAnnotations": {"example.com/cost": "7"}}
    manifests = render(inputs(**common, ingress={"host": "a.b"}, autoscaling={}, namespace={"name": "n"})).manifests

    metadata = [it["metadata"] for it in manifests if it["kind"] != "ServiceMonitor"]
    deployment = next(it for it in manifests if it["kind"] == "Deployment")["spec"]
    metadata.append(deployment["template"]["metadata"])
    assert all(it["labels"]["team"] == "a" and it["annotations"]["example.com/cost"] == "7" for it in metadata)
    assert "team" not in str([it["spec"].get("selector") for it in manifests if "spec" in it])


def test_only_a_requested_service_monitor_has_common_labels() -> None:
    """Labels choose the Prometheus, and only a requested ServiceMonitor requires the right to create one."""
    common: dict[str, Any] = {"commonLabels": {"team": "a"}, "commonAnnotations": {"example.com/cost": "7"}}

    def monitor(**spec: Any) -> dict[str, Any]:
        manifests = render(inputs(**common, **spec)).manifests
        return next(it["metadata"] for it in manifests if it["kind"] == "ServiceMonitor")

    assert "team" not in monitor()["labels"]
    assert "example.com/cost" not in monitor()["annotations"]
    assert "team" not in monitor(monitoring={})["labels"]
    assert monitor(monitoring={"serviceMonitor": {}})["labels"]["team"] == "a"


def _autoscaler(**autoscaling: Any) -> dict[str, Any]:
    manifests = render(inputs(autoscaling=autoscaling)).manifests
    found: dict[str, Any] = next(it for it in manifests if it["kind"] == "HorizontalPodAutoscaler")["spec"]
    return found


def test_metrics_can_replace_those_of_cpu_and_memory() -> None:
    (metric,) = _autoscaler(**OFF, metrics=[EXTERNAL])["metrics"]
    assert metric["external"]["target"] == {"type": "Value", "value": "30"}


def test_quantities_of_metrics_and_behavior_may_be_integers() -> None:
    pods = {"type": "Pods", "pods": {"metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": 1500}}}
    spec = _autoscaler(metrics=[pods], behavior={"scaleUp": {"tolerance": 1}})
    assert spec["metrics"][-1]["pods"]["target"]["averageValue"] == "1500"
    assert spec["behavior"]["scaleUp"]["tolerance"] == "1"
    divisor = {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": 1}}}
    assert "'divisor': '1'" in str(_deployment(env=[divisor])["template"])


def test_an_external_autoscaler_has_no_object_and_owns_replicas() -> None:
    manifests = render(inputs(autoscaling={"external": True}, replicas=0)).manifests
    assert "HorizontalPodAutoscaler" not in {it["kind"] for it in manifests}
    assert next(it for it in manifests if it["kind"] == "Deployment")["spec"]["replicas"] == 0


def test_an_external_autoscaler_needs_replicas_to_read_the_scale() -> None:
    (warning,) = (
        it for it in validation.warnings(inputs(autoscaling={"external": True})) if it.field == "spec.replicas"
    )
    assert warning.reason == SpecReason.REPLICAS_UNSET
    assert "kubectl scale agd/support -n team-a" in warning.message
    reasons = {it.reason for it in validation.warnings(inputs(autoscaling={"external": True}, replicas=0))}
    assert not reasons & {SpecReason.REPLICAS_UNSET, SpecReason.REPLICAS_IGNORED}


OTHERS: list[tuple[dict[str, Any], int | None]] = [
    ({}, None),
    ({"replicas": 4}, None),
    ({"replicas": 0}, 0),
    ({"autoscaling": {"external": True}, "replicas": 2}, None),
]


@pytest.mark.parametrize(("spec", "replicas"), OTHERS)
def test_the_operator_leaves_the_replicas_to_an_autoscaler_that_targets_the_deployment(
    spec: dict[str, Any], replicas: int | None
) -> None:
    agent = replace(inputs(**spec), other_autoscaler=OtherAutoscaler("theirs", 1))
    deployment = next(it for it in render(agent).manifests if it["kind"] == "Deployment")["spec"]
    found = {it.reason: it for it in validation.warnings(agent)}[SpecReason.AUTOSCALER_TARGETS_DEPLOYMENT]

    assert deployment.get("replicas") == replicas
    assert "team-a/theirs" in found.message
    assert "kind AgentDeployment, name support" in found.message


DIGEST = f"sha256:{'0123456789abcdef' * 4}"
IMAGES: list[tuple[str, dict[str, Any] | None, str, str]] = [
    ("r.io:5000/a/rt", None, "r.io:5000/a/rt:9.9.9", "9.9.9"),
    ("r.io:5000/a/rt:1.2", None, "r.io:5000/a/rt:1.2", "1.2"),
    (f"r.io/rt@{DIGEST}", None, f"r.io/rt@{DIGEST}", "sha256:0123456789ab"),
    (f"r.io/rt:1.2@{DIGEST}", None, f"r.io/rt:1.2@{DIGEST}", "1.2"),
    (f"r.io/rt:1.2@{DIGEST}", {"version": "3"}, "r.io/rt:3", "3"),
    ("r.io/rt", {"image": f"x.io/a:2@{DIGEST}"}, f"x.io/a:2@{DIGEST}", "2"),
    ("r.io/rt", {"image": f"x.io:5/a@{DIGEST}"}, f"x.io:5/a@{DIGEST}", "sha256:0123456789ab"),
    ("r.io/rt", {"image": "x.io:5/a", "version": "4"}, "x.io:5/a:4", "4"),
    ("r.io/rt", {"image": "x.io:5/a"}, "x.io:5/a", "latest"),
]


@pytest.mark.parametrize(("option", "runtime", "image", "version"), IMAGES)
def test_the_image_and_its_version(option: str, runtime: dict[str, Any] | None, image: str, version: str) -> None:
    found = platform(Settings(runtime_image=option, runtime_image_pull_secrets=("registry",)))
    found = replace(found, runtime_version="9.9.9") if found.runtime_version == Platform().runtime_version else found

    rendered = render(replace(inputs(**({"runtime": runtime} if runtime else {})), platform=found))

    pod = next(it for it in rendered.manifests if it["kind"] == "Deployment")["spec"]["template"]["spec"]
    assert (pod["containers"][0]["image"], rendered.runtime_version) == (image, version)
    assert ("imagePullSecrets" in pod) is not (runtime is not None and "image" in runtime)


@pytest.mark.parametrize("option", ["", "r.io/rt:", "r.io/RT", "r.io/rt@sha256:12", "a b", "rt:1:2"])
def test_a_malformed_runtime_image_is_rejected(option: str) -> None:
    with pytest.raises(ValidationError, match="runtime_image"):
        Settings(runtime_image=option)


INGRESSES: list[tuple[dict[str, Any], str | None, str]] = [
    ({"host": "a.b"}, "nginx", "http://a.b/"),
    ({"host": "a.b", "className": ""}, None, "http://a.b/"),
    ({"host": "a.b", "annotations": {"kubernetes.io/ingress.class": "old"}}, None, "http://a.b/"),
    ({"host": "*.b", "className": "traefik"}, "traefik", "http://support.team-a.svc/"),
    ({"host": "*.b", "hosts": [{"host": "c.b", "paths": [{"path": "/x"}]}], "tls": {}}, "nginx", "https://c.b/x"),
]


@pytest.mark.parametrize(("ingress", "class_name", "url"), INGRESSES)
def test_an_ingress_has_one_class_and_the_url_of_its_first_host(
    ingress: dict[str, Any], class_name: str | None, url: str
) -> None:
    rendered = render(inputs(ingress=ingress))
    spec = next(it for it in rendered.manifests if it["kind"] == "Ingress")["spec"]
    assert (spec.get("ingressClassName"), rendered.url) == (class_name, url)


DIRECT: list[tuple[str, bool]] = [
    ("api.openai.com", False),
    ("redis.cache.svc", True),
    ("localhost", True),
    ("git.corp.example.com", True),
    ("corp.example.com", True),
    ("notcorp.example.com", False),
]


@pytest.mark.parametrize(("host", "direct"), DIRECT)
def test_services_and_hosts_of_no_proxy_are_reached_without_the_proxy(host: str, direct: bool) -> None:
    spec = inputs(proxy=PROXY | {"noProxy": ["*.corp.example.com"]}).spec
    assert goes_direct(spec, "team-a", host) is direct
    assert goes_direct(inputs().spec, "team-a", host) is True


def test_a_private_model_behind_the_proxy_is_not_reported_as_blocked() -> None:
    config = {"models": [{"name": "m", "provider": "openai", "baseUrl": "https://models.corp/v1"}]}

    def reasons(**spec: Any) -> set[str]:
        agent = AgentDeployment.model_validate({"metadata": {"name": "support"}, "spec": {"config": config} | spec})
        return {it.reason for it in validation.warnings(Inputs(agent))}

    assert SpecReason.PRIVATE_HOST_BLOCKED in reasons()
    assert SpecReason.PRIVATE_HOST_BLOCKED not in reasons(proxy=PROXY)
    assert SpecReason.PRIVATE_HOST_BLOCKED in reasons(proxy=PROXY | {"noProxy": [".corp"]})


def test_an_agent_has_alerts_and_a_dashboard_of_its_own_only_if_requested() -> None:
    def found(**monitoring: Any) -> dict[str, dict[str, Any]]:
        manifests = render(inputs(monitoring=monitoring, commonLabels={"team": "a"})).manifests
        return {it["metadata"]["name"] + "/" + it["kind"]: it for it in manifests}

    off = {"enabled": False}
    rule, dashboard = "support/PrometheusRule", "support-dashboard/ConfigMap"
    assert not found().keys() & {rule, dashboard}
    assert not found(prometheusRule=off, dashboard=off).keys() & {rule, dashboard}
    limits = {"errorPercent": 50, "latencySeconds": 7}
    manifests = found(prometheusRule=limits, dashboard={"labels": {"board": "yes"}})
    alerts = {it["alert"]: it["expr"] for it in manifests[rule]["spec"]["groups"][0]["rules"]}
    assert alerts["AgentErrorRateHigh"].endswith(" > 0.5")
    assert alerts["AgentLatencyHigh"].endswith(" > 7")
    assert all('namespace="team-a", service="support"' in expr for expr in alerts.values())
    assert manifests[rule]["metadata"]["labels"].items() >= {"release": "prometheus", "team": "a"}.items()
    assert manifests[dashboard]["metadata"]["labels"].items() >= {"board": "yes", "team": "a"}.items()
    assert "grafana_dashboard" not in manifests[dashboard]["metadata"]["labels"]


def test_traces_are_sampled_and_reach_their_collector() -> None:
    headers = {"secretKeyRef": {"name": "collector", "key": "headers"}}
    given = inputs(monitoring=tracing(samplePercent=1, headersFrom=headers))
    manifests = {it["kind"]: it for it in reversed(render(given).manifests)}
    (container,) = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    variables = {it["name"]: it.get("value", it.get("valueFrom")) for it in container["env"]}

    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == COLLECTOR
    assert variables["OTEL_TRACES_SAMPLER_ARG"] == "0.01"
    assert variables["OTEL_EXPORTER_OTLP_HEADERS"] == headers
    egress = manifests["NetworkPolicy"]["spec"]["egress"]
    assert any(port["port"] == 4318 for rule in egress for port in rule["ports"])
    assert [(it.name, it.key) for it in references.of(given)] == [("collector", "headers")]
