"""What the golden files do not show: results other than manifests, and the effect of inputs."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, Platform, data_hash, render
from agent_operator.render.canonical import canonical, digest
from agent_operator.render.templates import _DIRECTORY
from agent_runtime.config import load

ECHO = {"models": [{"name": "echo", "provider": "echo"}]}


def inputs(platform: Platform | None = None, hashes: dict[str, str] | None = None, **spec: Any) -> Inputs:
    body = {"metadata": {"name": "support", "namespace": "team-a", "uid": "u"}, "spec": {"config": ECHO} | spec}
    return Inputs(AgentDeployment.model_validate(body), hashes=hashes or {}, platform=platform or Platform())


def kinds(inputs: Inputs) -> dict[str, Any]:
    return {manifest["kind"]: manifest for manifest in render(inputs).manifests}


def test_children_are_in_the_order_of_apply() -> None:
    spec: dict[str, Any] = {
        "namespace": {"name": "agents"},
        "credentials": {
            "externalSecret": {
                "azureKeyVault": {"vaultUrl": "https://kv.vault.azure.net", "authType": "ManagedIdentity"},
                "data": {"A": "b"},
            }
        },
        "autoscaling": {},
        "ingress": {"host": "a.b"},
        "gateway": {"parentRefs": [{"name": "g"}]},
    }
    assert list(kinds(inputs(**spec))) == [
        *("Namespace", "ServiceAccount", "SecretStore", "ExternalSecret", "ConfigMap", "NetworkPolicy", "Service"),
        *("PodDisruptionBudget", "Deployment", "HorizontalPodAutoscaler", "Ingress", "HTTPRoute", "ServiceMonitor"),
    ]


def test_a_secret_comes_before_the_pods_that_read_it() -> None:
    children = list(kinds(inputs(credentials={"values": {"A": "b"}})))
    assert children.index("Secret") < children.index("Deployment")


def test_namespaces_can_be_managed_by_others() -> None:
    children = kinds(inputs(Platform(manage_namespaces=False), namespace={"name": "agents"}))
    assert "Namespace" not in children
    assert children["Service"]["metadata"]["namespace"] == "agents"


def test_version_of_external_secrets_follows_the_platform() -> None:
    spec: dict[str, Any] = {"credentials": {"externalSecret": {"secretStoreRef": {"name": "s"}, "data": {"A": "b"}}}}
    children = kinds(inputs(Platform(external_secrets_version="v1beta1"), **spec))
    assert children["ExternalSecret"]["apiVersion"] == "external-secrets.io/v1beta1"


def annotations_of_pods(inputs: Inputs) -> dict[str, str]:
    found: dict[str, str] = kinds(inputs)["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    return found


def test_pods_carry_the_hash_of_their_secret() -> None:
    spec: dict[str, Any] = {"credentials": {"secretRef": {"name": "s", "keys": ["A"]}}}
    assert annotations_of_pods(inputs(hashes={"s": "abc"}, **spec))["agent-operator.dev/secret-hash"] == "s=abc"
    assert "agent-operator.dev/secret-hash" not in annotations_of_pods(inputs(**spec))


def test_a_secret_of_the_operator_does_not_restart_pods_when_it_is_read_back() -> None:
    """The hash of the Secret is known before the Secret exists. Reading the Secret later does not change the hash."""
    spec: dict[str, Any] = {"credentials": {"values": {"A": "b"}}}
    before = annotations_of_pods(inputs(**spec))
    data = kinds(inputs(**spec))["Secret"]["data"]
    assert before == annotations_of_pods(inputs(hashes={"support-secrets": "another"}, **spec))
    assert before["agent-operator.dev/secret-hash"] == f"support-secrets={data_hash(data, salt='u')}"


@pytest.mark.parametrize(
    ("runtime", "version"),
    [
        ({}, Platform().runtime_version),
        ({"version": "1.2.3"}, "1.2.3"),
        ({"image": "host:5000/agents/runtime:2.0"}, "2.0"),
        ({"image": "host:5000/agents/runtime"}, "latest"),
        ({"image": "host:5000/agents/runtime", "version": "2.1"}, "2.1"),
        ({"image": "runtime:2.0@sha256:abc", "version": "ignored"}, "2.0"),
    ],
)
def test_version_is_tag_or_digest(runtime: dict[str, str], version: str) -> None:
    assert render(inputs(runtime=runtime)).runtime_version == version


def test_revision_follows_image_config_and_prompt_and_nothing_else() -> None:
    plain = render(inputs()).revision.name
    for spec in (
        {"runtime": {"version": "9"}},
        {"systemPrompt": {"text": "x"}},
        {"config": ECHO | {"logLevel": "DEBUG"}},
    ):
        assert render(inputs(**spec)).revision.name != plain
    assert render(inputs(replicas=7, service={"port": 81})).revision.name == plain


def test_a_change_of_scale_does_not_change_the_pods() -> None:
    """Editing the autoscaler, budget, Service or network must not restart anything."""
    spec: dict[str, Any] = {
        "replicas": 5,
        "service": {"port": 81},
        "networkPolicy": {"ingressNamespaces": ["x"]},
        "autoscaling": {},
    }
    pods = [kinds(it)["Deployment"]["spec"]["template"] for it in (inputs(), inputs(**spec))]
    assert pods[0] == pods[1]


def test_pods_may_finish_their_requests_before_they_end() -> None:
    """The grace period covers the drain delay, a whole request and closing. The runtime gets it as a variable."""
    limits = {"limits": {"requestTimeoutSeconds": 900}}
    pod = kinds(inputs(config=ECHO | limits))["Deployment"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 915
    assert {"name": "SHUTDOWN_GRACE_SECONDS", "value": "900"} in pod["containers"][0]["env"]
    assert kinds(inputs())["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 315


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("20", 330), ("0", 310), ("1.5", 312), ("", 315), ("soon", 315), ("nan", 315), ("-7", 315), ("1e9", 3910)],
)
def test_pods_that_drain_longer_get_more_time(delay: str, seconds: int) -> None:
    """What is no such number the runtime refuses itself."""
    env = [{"name": "DRAIN_DELAY_SECONDS", "value": delay}]

    pod = kinds(inputs(env=env))["Deployment"]["spec"]["template"]["spec"]

    assert pod["terminationGracePeriodSeconds"] == seconds


def test_agent_toml_is_read_by_the_runtime(tmp_path: Path) -> None:
    """The runtime reads back what the CR says; what the CR does not use is not written."""
    config = {
        "models": [{"name": "a", "provider": "azure_openai", "deployment": "d"}, {"name": "o", "provider": "openai"}],
        "memory": {"cache": {"host": "redis"}},
        "fallbacks": ["o"],
    }
    data = kinds(inputs(config=config))["ConfigMap"]["data"]
    for name, text in data.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    section, prompt = load(tmp_path / "agent.toml")
    assert (section.log_level, section.default_model, section.fallbacks) == ("INFO", "a", ("o",))
    assert [(m.api_version, m.model) for m in section.models] == [("2024-10-01-preview", None), (None, "o")]
    assert prompt == data["system_prompt.txt"]
    assert set(tomllib.loads(kinds(inputs())["ConfigMap"]["data"]["agent.toml"])["agent"]) == {
        *("log_level", "default_model", "system_prompt", "models")
    }


def test_results_besides_the_manifests() -> None:
    rendered = render(inputs(gateway={"parentRefs": [{"name": "g"}]}))
    assert (rendered.url, rendered.selector, rendered.model) == ("http://support.team-a.svc/", "app=support", "echo")


def test_the_manifest_hash_changes_when_a_field_is_removed() -> None:
    hashes = {
        kinds(it)["Service"]["metadata"]["annotations"]["agent-operator.dev/manifest-hash"]
        for it in (inputs(), inputs(service={"annotations": {"a": "b"}}))
    }
    assert len(hashes) == 2


def test_templates_are_short_and_quote_every_value() -> None:
    paths = list(_DIRECTORY.glob("*.yaml.j2"))
    assert len(paths) == 18
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 49, path.name
        values = [part.split("}}")[0] for part in text.split("{{")[1:]]
        assert all("tojson" in value or value.strip() == "field" for value in values), path.name


def test_canonical_form() -> None:
    found = canonical({"z": 1, "name": "n", "a": None, "kind": "K", "l": [], "m": {}, "d": [{"b": 1, "a": None}]})
    assert json.dumps(found) == '{"kind": "K", "name": "n", "d": [{"b": 1}], "m": {}, "z": 1}'


def test_digest_does_not_depend_on_order() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1}) != digest({"a": 1, "b": [2, 1]})
