"""Egress by host name: which hosts a revision needs, and what remains in the NetworkPolicy."""

from dataclasses import replace
from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.agent_inputs import Inputs, Platform
from agent_operator.inputs.service_targets import ServiceTarget
from agent_operator.render import Rendered, fqdn, render

Object = dict[str, Any]
ENTRA = ("login.microsoftonline.com", 443)
OPENAI = ("api.openai.com", 443)
AZURE = {"name": "m", "provider": "azure_openai", "deployment": "d"}
JWT = {"audiences": ["agent"]}
ECHO = {"name": "echo", "provider": "echo"}


def inputs(*models: Object, fqdn_policies: bool = True, **spec: Any) -> Inputs:
    config = {"models": list(models or [ECHO])} | spec.pop("config", {})
    body = {"metadata": {"name": "web", "namespace": "team", "uid": "u"}, "spec": {"config": config} | spec}
    return Inputs(AgentDeployment.model_validate(body), platform=Platform(fqdn_policies=fqdn_policies))


def model(url: str) -> Object:
    return {"name": "m", "provider": "openai", "model": "m", "baseUrl": url}


def env(**variables: str) -> Object:
    return {"env": [{"name": name, "value": value} for name, value in variables.items()]}


def by_kind(rendered: Rendered) -> dict[str, Object]:
    return {manifest["kind"]: manifest for manifest in rendered.manifests}


def blocks(rendered: Rendered) -> set[str]:
    """The ranges of addresses in the NetworkPolicy."""
    rules = by_kind(rendered)["NetworkPolicy"]["spec"].get("egress", [])
    return {peer["ipBlock"]["cidr"] for rule in rules for peer in rule["to"] if "ipBlock" in peer}


HOSTS: list[tuple[Inputs, set[tuple[str, int]] | None]] = [
    (inputs(), set()),
    (inputs({"name": "gpt", "provider": "openai"}), {OPENAI}),
    (inputs(model("http://LLM.example.com.:8080/v1")), {("llm.example.com", 8080)}),
    (inputs(model("http://vllm:8000/v1")), set()),
    (inputs(model("http://vllm.models.svc.cluster.local:8000/v1")), set()),
    (inputs(model("http://10.1.2.3/v1")), set()),
    (inputs(model("http://localhost:1/v1")), set()),
    (inputs(model("http://vllm.models/v1")), {("vllm.models", 80)}),
    (
        inputs(config={"memory": {"cache": {"host": "redis.corp.internal", "port": 6380}}}),
        {("redis.corp.internal", 6380)},
    ),
    (
        inputs(config={"mcp": [{"name": "s", "type": "http", "url": "https://tools.example.com/mcp"}]}),
        {("tools.example.com", 443)},
    ),
    (
        inputs(**env(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://traces.example.com:4318")),
        {("traces.example.com", 4318)},
    ),
    (inputs(**env(https_proxy="proxy.example.com:3128")), {("proxy.example.com", 3128)}),
    (inputs(proxy={"httpsProxy": "http://proxy.example.com:3128"}), {("proxy.example.com", 3128)}),
    (inputs(AZURE | {"endpoint": "https://a.openai.azure.com"}), {("a.openai.azure.com", 443), ENTRA}),
    (
        inputs(
            AZURE | {"endpoint": "https://a.openai.azure.us"},
            **env(AZURE_AUTHORITY_HOST="https://login.microsoftonline.us"),
        ),
        {("a.openai.azure.us", 443), ("login.microsoftonline.us", 443)},
    ),
    (inputs(AZURE, **env(AZURE_OPENAI_ENDPOINT="https://b.openai.azure.com")), {("b.openai.azure.com", 443), ENTRA}),
    (inputs(identity={"azureWorkloadIdentity": {"clientId": "c"}}), {ENTRA}),
    (
        inputs(config={"auth": {"jwt": JWT | {"issuer": "https://i.example.com", "jwksUrl": "https://k.example.com"}}}),
        {("k.example.com", 443)},
    ),
    (
        inputs(
            config={"auth": {"jwt": JWT | {"preset": "entra_id", "tenantId": "7d1f2e3d-4c5b-6a00-0000-000000000000"}}}
        ),
        {ENTRA},
    ),
    # The document of the issuer, or only a Secret, has the name of the host.
    (inputs(config={"auth": {"jwt": JWT | {"issuer": "https://i.example.com"}}}), None),
    (inputs(AZURE, credentials={"secretRef": {"name": "keys"}}), None),
    (
        inputs(
            AZURE | {"endpoint": "https://a.openai.azure.com"},
            env=[{"name": "AZURE_AUTHORITY_HOST", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        ),
        None,
    ),
]


@pytest.mark.parametrize(("agent", "expected"), HOSTS, ids=[str(sorted(expected or ())) for _, expected in HOSTS])
def test_the_hosts_of_a_revision(agent: Inputs, expected: set[tuple[str, int]] | None) -> None:
    rendered = render(agent)
    kinds = list(by_kind(rendered))

    hosts = fqdn.hosts(rendered.revision, agent)
    assert (None if hosts is None else set(hosts)) == expected
    named = rendered.egress == "Hosts"
    assert named is bool(expected)
    assert ("CiliumNetworkPolicy" in kinds) is named
    if named:
        # The hosts are allowed before the addresses are removed.
        assert kinds.index("CiliumNetworkPolicy") < kinds.index("NetworkPolicy")
        assert blocks(rendered) <= {"10.1.2.3/32"}
    else:
        expected_mode = "PublicAddresses" if expected is None else "None"
        assert rendered.egress == expected_mode
        assert ("0.0.0.0/0" in blocks(rendered)) is (expected is None)


def test_a_service_with_the_name_of_a_domain_is_no_host() -> None:
    agent = inputs(model("http://vllm.models/v1"))
    known = replace(agent, services={("models", "vllm"): ServiceTarget((("app", "vllm"),), ((80, 8000),))})

    assert render(known).egress == "None"
    assert render(replace(agent, services={("models", "vllm"): None})).egress == "Hosts"


def test_the_option_changes_neither_the_revision_nor_its_record() -> None:
    """Otherwise it would restart agents, and a rollback after it is turned off would lack addresses."""
    spec = (model("https://llm.example.com/v1"),)
    on, off = render(inputs(*spec)), render(inputs(*spec, fqdn_policies=False))

    assert on.revision == off.revision
    assert by_kind(on)["Deployment"] == by_kind(off)["Deployment"]
    assert "CiliumNetworkPolicy" not in by_kind(off)
    assert off.egress == "PublicAddresses"


def test_without_a_network_policy_there_is_no_policy_of_cilium() -> None:
    rendered = render(inputs(model("https://llm.example.com/v1"), networkPolicy={"enabled": False}))

    assert rendered.egress == "Disabled"
    assert not {"NetworkPolicy", "CiliumNetworkPolicy"} & by_kind(rendered).keys()


def test_dns_passes_the_proxy_only() -> None:
    """A rule without layer 7 could bypass it, and Cilium would learn no addresses."""
    manifests = by_kind(render(inputs(model("https://llm.example.com/v1"))))
    ports = [port["port"] for rule in manifests["NetworkPolicy"]["spec"].get("egress", []) for port in rule["ports"]]
    dns = [rule for rule in manifests["CiliumNetworkPolicy"]["spec"]["egress"] if "toFQDNs" not in rule]

    assert not {53, 5353} & set(ports)
    assert {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "kube-system", "k8s:k8s-app": "kube-dns"}} in dns[0][
        "toEndpoints"
    ]
    assert dns[1]["toCIDR"] == ["169.254.0.0/16"]
    assert all(rule["toPorts"][0]["rules"] == {"dns": [{"matchPattern": "*"}]} for rule in dns)


def test_metadata_services_are_denied_whatever_a_host_resolves_to() -> None:
    denied = by_kind(render(inputs(model("https://llm.example.com/v1"))))["CiliumNetworkPolicy"]["spec"]["egressDeny"]

    assert {"169.254.169.254/32", "168.63.129.16/32", "fd00:ec2::254/128"} <= set(denied[0]["toCIDR"])
    assert "169.254.0.0/16" not in denied[0]["toCIDR"], "a cache of DNS on the node has such an address"


def test_rules_of_the_user_stay() -> None:
    extra = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 53, "protocol": "UDP"}]}
    rendered = render(inputs(model("https://llm.example.com/v1"), networkPolicy={"extraEgress": [extra]}))

    assert extra in by_kind(rendered)["NetworkPolicy"]["spec"]["egress"]


def test_an_unreadable_config_has_no_known_hosts() -> None:
    agent = inputs(model("https://llm.example.com/v1"))
    revision = render(agent).revision
    for text in ("schema = 99", "not TOML", ""):
        assert fqdn.hosts(replace(revision, config={"agent.toml": text}), agent) is None
