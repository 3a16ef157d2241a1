"""What the pods' environment is made of, wherever the spec says it; and never a name that is a path."""

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


def titles(given: Inputs) -> list[str]:
    return [source.title for source in references.of(given)]


def test_variables_of_the_spec_and_of_every_container_are_followed() -> None:
    given = inputs(
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

    found = {source.title: source for source in references.of(given)}

    assert list(found) == ["azure", "by-env", "configmap/maps", "whole", "by-template", "configmap/whole"]
    assert (found["by-env"].optional, found["configmap/maps"].optional) == (True, False)
    assert (found["whole"].key, found["by-template"].key) == (None, "k")
    assert found["by-env"].field == "spec.env[X].valueFrom.secretKeyRef"
    assert found["whole"].field == "spec.podTemplate.spec.initContainers[i].envFrom[0].secretRef"


@pytest.mark.parametrize("name", ["../../other/secrets/x", "a/b", "", ".", "..", "A", "a" * 254, "x?y", None, 7, ["a"]])
def test_a_name_that_no_object_can_have_is_never_asked_for(name: Any) -> None:
    """It would be part of a path of the API: that of a Secret of another namespace, for one."""
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
def test_a_template_that_is_none_names_nothing(template: Any) -> None:
    assert titles(inputs(podTemplate=template)) == []


def test_too_many_to_watch_over_are_refused() -> None:
    one_too_many = [{"name": f"V{n}", "valueFrom": secret_key(f"s{n}")} for n in range(references.MOST + 1)]

    assert render(inputs(env=one_too_many[1:]))
    with pytest.raises(ProblemError, match="put more keys into fewer") as caught:
        render(inputs(env=one_too_many))
    assert caught.value.problems[0].field == "spec.env"


def test_a_template_gets_the_hashes_of_what_it_reads_and_no_others() -> None:
    template = {"spec": {"containers": [{"name": "agent", "envFrom": [{"secretRef": {"name": "a"}}]}]}}

    assert references.fitting("a=1,aa=2,configmap/a=3", template) == "a=1"
    assert references.fitting("aa=2", template) is None
    assert references.fitting(None, template) is None


def test_what_a_template_takes_out_is_no_part_of_the_pods_hash() -> None:
    given = inputs(
        env=[{"name": "X", "valueFrom": secret_key("gone")}, {"name": "Y", "valueFrom": secret_key("kept")}],
        **containers({"name": "agent", "env": [{"name": "X", "$patch": "delete"}]}),
    )
    made = render(Inputs(given.agent, hashes={"gone": "1", "kept": "2"}))

    deployment = next(manifest for manifest in made.manifests if manifest["kind"] == "Deployment")
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations["agent-operator.dev/secret-hash"] == "kept=2"


def test_the_callers_keys_must_be_there_and_roll_nothing() -> None:
    given = inputs(apiKeys={"secretKeyRef": {"name": "callers", "key": "keys"}})

    assert [(source.name, source.key) for source in references.needed(given)] == [("callers", "keys")]
    assert titles(given) == []
