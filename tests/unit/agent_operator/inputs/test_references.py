"""References of the environment are found everywhere in the spec. Invalid names are ignored."""

from typing import Any

import pytest

from agent_operator.api.problems import ProblemError
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs import references
from agent_operator.render import Inputs, render

ECHO = {"models": [{"name": "e", "provider": "echo"}]}


def inputs(**spec: Any) -> Inputs:
    body = {"metadata": {"name": "bot", "namespace": "team", "uid": "u"}, "spec": {"config": ECHO} | spec}
    return Inputs(AgentDeployment.model_validate(body))


def secret_key(name: str, key: str = "k", **more: Any) -> dict[str, Any]:
    return {"secretKeyRef": {"name": name, "key": key, **more}}


def containers(*found: Any, kind: str = "containers") -> dict[str, Any]:
    return {"podTemplate": {"spec": {kind: list(found)}}}


def titles(agent: Inputs) -> list[str]:
    return [source.title for source in references.of(agent)]


def test_references_of_env_and_of_every_container_are_found() -> None:
    agent = inputs(
        credentials={"secretRef": {"name": "azure", "keys": ["A"]}},
        env=[
            {"name": "X", "valueFrom": secret_key("by-env", optional=True)},
            {"name": "Y", "valueFrom": {"configMapKeyRef": {"name": "maps", "key": "k"}}},
            {"name": "Z", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        podTemplate={
            "spec": {
                "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "whole"}}]}],
                "containers": [
                    {"name": "agent", "env": [{"name": "V", "valueFrom": secret_key("by-template")}]},
                    {"name": "log", "envFrom": [{"configMapRef": {"name": "whole", "optional": True}}]},
                ],
                "volumes": [{"name": "v", "secret": {"secretName": "a-file"}}],
            }
        },
    )

    found = {source.title: source for source in references.of(agent)}

    assert list(found) == ["azure", "by-env", "configmap/maps", "whole", "by-template", "configmap/whole"]
    assert (found["by-env"].optional, found["configmap/maps"].optional) == (True, False)
    assert (found["whole"].key, found["by-template"].key) == (None, "k")
    assert found["by-env"].field == "spec.env[X].valueFrom.secretKeyRef"
    assert found["whole"].field == "spec.podTemplate.spec.initContainers[i].envFrom[0].secretRef"


@pytest.mark.parametrize("name", ["../../other/secrets/x", "a/b", "", ".", "..", "A", "a" * 254, "x?y", None, 7, ["a"]])
def test_invalid_name_is_ignored(name: Any) -> None:
    """An invalid name in a request path could address a Secret in another namespace."""
    assert titles(inputs(**containers({"name": "log", "envFrom": [{"secretRef": {"name": name}}]}))) == []
    if isinstance(name, str):
        assert titles(inputs(env=[{"name": "X", "valueFrom": secret_key(name)}])) == []


@pytest.mark.parametrize(
    "template",
    [
        {"spec": None},
        {"spec": "x"},
        {"spec": {"containers": "x"}},
        {"spec": {"containers": [None, 1, {"env": {}}, {"env": [None, {"valueFrom": 3}]}, {"envFrom": [None, "x"]}]}},
        {"spec": {"containers": [{"env": [{"name": {}, "valueFrom": {"secretKeyRef": {"name": "s", "key": {}}}}]}]}},
    ],
)
def test_malformed_template_has_no_references(template: Any) -> None:
    assert titles(inputs(podTemplate=template)) == []


def test_too_many_references_are_rejected() -> None:
    one_too_many = [{"name": f"V{n}", "valueFrom": secret_key(f"s{n}")} for n in range(references.LIMIT + 1)]

    assert render(inputs(env=one_too_many[1:]))
    with pytest.raises(ProblemError, match="merge some of them") as caught:
        render(inputs(env=one_too_many))
    assert caught.value.problems[0].field == "spec.env"


def test_hashes_are_filtered_by_the_references_of_the_template() -> None:
    template = {"spec": {"containers": [{"name": "agent", "envFrom": [{"secretRef": {"name": "a"}}]}]}}

    assert references.hashes_of_template("a=1,aa=2,configmap/a=3", template) == "a=1"
    assert references.hashes_of_template("aa=2", template) is None
    assert references.hashes_of_template(None, template) is None


def test_reference_that_the_template_removes_is_not_hashed() -> None:
    agent = inputs(
        env=[{"name": "X", "valueFrom": secret_key("gone")}, {"name": "Y", "valueFrom": secret_key("kept")}],
        **containers({"name": "agent", "env": [{"name": "X", "$patch": "delete"}]}),
    )
    rendered = render(Inputs(agent.agent, hashes={"gone": "1", "kept": "2"}))

    deployment = next(manifest for manifest in rendered.manifests if manifest["kind"] == "Deployment")
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations["agent-operator.dev/secret-hash"] == "kept=2"


def test_secret_of_api_keys_is_required_but_not_hashed() -> None:
    agent = inputs(apiKeys={"secretKeyRef": {"name": "callers", "key": "keys"}})

    assert [(source.name, source.key) for source in references.required(agent)] == [("callers", "keys")]
    assert titles(agent) == []
