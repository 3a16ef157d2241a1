"""The text of a field stays text: it never becomes YAML, a template, another type or another field."""

import base64
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, render
from agent_operator.render.templates import fill


def kinds(**spec: Any) -> dict[str, Any]:
    config = {"models": [{"name": "echo", "provider": "echo"}]}
    body = {"metadata": {"name": "support", "namespace": "team-a"}, "spec": {"config": config} | spec}
    children = render(Inputs(AgentDeployment.model_validate(body))).manifests
    return {manifest["kind"]: manifest for manifest in children}


INJECTIONS = [
    'x"\n    privileged: true\n#',
    "x'\nkind: Pod",
    "{{ 7 * 7 }}{% raw %}",
    "!!python/object/apply:os.system [id]",
    "&anchor *alias << : | > - ? % @ `",
    "yes",
    "null",
    "1e3",
    "0x10",
    "2026-11-23",
    "\\ud83d\\ude00 \U0001f600 \\\U0001f600",
    "\u2028\u2029\x85\ufeff\x7f\x00\x1b",
    "${HOME} $(LOG_LEVEL) </script>&",
]


def _places(text: str) -> dict[str, tuple[dict[str, Any], str, list[Any]]]:
    """Return specs that put a text into every free string field, and where it must come out."""
    container = ["spec", "template", "spec", "containers", 0]
    return {
        "service annotation": (
            {"service": {"annotations": {"a": text}}},
            "Service",
            ["metadata", "annotations", "a"],
        ),
        "ingress annotation": (
            {"ingress": {"host": "a.b", "annotations": {"a": text}}},
            "Ingress",
            ["metadata", "annotations", "a"],
        ),
        "account annotation": (
            {"identity": {"serviceAccount": {"annotations": {"a": text}}}},
            "ServiceAccount",
            ["metadata", "annotations", "a"],
        ),
        "client id": (
            {"identity": {"azureWorkloadIdentity": {"clientId": text}}},
            "ServiceAccount",
            ["metadata", "annotations", "azure.workload.identity/client-id"],
        ),
        "remote key": (
            {"credentials": {"externalSecret": {"secretStoreRef": {"name": "s"}, "data": {"A": text}}}},
            "ExternalSecret",
            ["spec", "data", 0, "remoteRef", "key"],
        ),
        "environment": ({"env": [{"name": "A", "value": text}]}, "Deployment", [*container, "env", -1, "value"]),
        "probe": (
            {"probes": {"liveness": {"exec": {"command": [text]}}}},
            "Deployment",
            [*container, "livenessProbe", "exec", "command", 0],
        ),
        "toleration": (
            {"scheduling": {"tolerations": [{"key": text}]}},
            "Deployment",
            ["spec", "template", "spec", "tolerations", 0, "key"],
        ),
        "dns option": (
            {"dns": {"options": [{"name": "n", "value": text}]}},
            "Deployment",
            ["spec", "template", "spec", "dnsConfig", "options", 0, "value"],
        ),
        "rule": (
            {"networkPolicy": {"extraEgress": [{"to": [{"podSelector": {"matchLabels": {"a": text}}}]}]}},
            "NetworkPolicy",
            ["spec", "egress", -1, "to", 0, "podSelector", "matchLabels", "a"],
        ),
        "key of a rule": (
            {"networkPolicy": {"extraEgress": [{"to": [{"podSelector": {"matchLabels": {text: "v"}}}]}]}},
            "NetworkPolicy",
            ["spec", "egress", -1, "to", 0, "podSelector", "matchLabels", text],
        ),
        "metric": (
            {"autoscaling": {"metrics": [{"type": text}]}},
            "HorizontalPodAutoscaler",
            ["spec", "metrics", -1, "type"],
        ),
    }


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize("place", list(_places("")))
def test_text_stays_text_in_every_field(text: str, place: str) -> None:
    spec, kind, path = _places(text)[place]
    value = kinds(**spec)[kind]
    for part in path:
        value = value[part]
    assert value == ("v" if place == "key of a rule" else text)


@pytest.mark.parametrize("text", INJECTIONS)
def test_text_of_files_stays_text(text: str) -> None:
    """agent.toml is parsed as TOML, the prompt only changes its line ends, and a Secret keeps its bytes."""
    config = {
        "models": [{"name": "a", "provider": "azure_openai", "deployment": text}],
        "memory": {"cache": {"host": "r", "prefix": text}},
    }
    children = kinds(config=config, credentials={"values": {"A": text}})
    toml = tomllib.loads(children["ConfigMap"]["data"]["agent.toml"])["agent"]
    assert toml["models"][0]["deployment"] == toml["memory"]["cache"]["prefix"] == text
    assert base64.b64decode(children["Secret"]["data"]["A"]).decode() == text
    if "{{" not in text:
        assert kinds(systemPrompt={"text": text})["ConfigMap"]["data"]["system_prompt.txt"] == text


@given(st.text())
def test_a_template_does_not_change_text(text: str) -> None:
    """This includes the placeholder of a value: NUL and a number."""
    for given_text in (text, f"\0{text}", "\0000"):
        filled = fill("configmap", {"data": {given_text: given_text}})
        assert filled["data"] == {given_text: given_text}
