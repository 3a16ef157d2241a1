"""What users write passes the schema of the CRD unchanged, also after an upgrade from a CRD without maxima."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from agent_operator.api import constants, openapi
from agent_operator.codegen import crd
from kubeschema import decode, schema
from kubeschema.cel_rules import RuleTree
from kubeschema.value_rules import validate_value
from localkube.apiserver.options import WriteOptions
from localkube.apiserver.registry import ApiError, Registry
from tests import fast_yaml as yaml
from tests.valid.agents import model

Object = dict[str, Any]

ROOT = Path(__file__).parents[4]
FILES = sorted([*(ROOT / "examples").rglob("*.yaml"), *(ROOT / "tests" / "golden" / "inputs").glob("*.yaml")])
CRDS = "customresourcedefinitions.apiextensions.k8s.io"
AGENTS = "agentdeployments.agent-operator.dev"
MAXIMA = ("maxLength", "maxItems", "maxProperties", "maximum")
RULES = {kind: RuleTree(found) for kind, found in openapi.schemas().items()}


def written() -> Iterator[Any]:
    """Yield the objects of our kinds in the examples and the golden inputs."""
    for path in FILES:
        for obj in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if isinstance(obj, dict) and obj.get("kind") in RULES:
                yield pytest.param(obj, id=f"{path.parent.name}-{path.stem}-{obj['metadata']['name']}")


def errors(obj: Object) -> list[str]:
    """Return what an API server refuses or prunes."""
    of_kind = openapi.schemas()[obj["kind"]]
    decoded = decode.prune(schema.from_crd(of_kind), obj)
    causes = [*validate_value(of_kind, decoded.obj), *RULES[obj["kind"]].check(decoded.obj)]
    assert decoded.problems or decoded.obj == obj
    return [*decoded.problems, *(f"{cause.field}: {cause.message}" for cause in causes)]


@pytest.mark.parametrize("obj", list(written()))
def test_an_example_is_stored_as_it_is(obj: Object) -> None:
    assert errors(obj) == []


@settings(max_examples=150, deadline=None)
@given(model("AgentDeploymentSpec"))
def test_every_spec_that_the_operator_accepts_is_stored_as_it_is(spec: Object) -> None:
    assert errors(agent("support", **spec)) == []


def agent(name: str, **spec: Any) -> Object:
    echo = {"config": {"models": [{"name": "echo", "provider": "echo"}]}}
    meta = {"name": name}
    return {"apiVersion": constants.API_VERSION, "kind": "AgentDeployment", "metadata": meta, "spec": echo | spec}


def pod(**spec: Any) -> Object:
    return {"podTemplate": {"spec": spec}}


def earlier_crd() -> Object:
    """Return a CRD with a podTemplate of any content and without maxima, like the CRD of version 0.1."""
    found = copy.deepcopy(crd.crd())
    root = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    root["properties"]["spec"]["properties"]["podTemplate"] = anything
    remove_maxima(root)
    return found


def remove_maxima(node: Object) -> None:
    for keyword in MAXIMA:
        node.pop(keyword, None)
    for child in [*node.get("properties", {}).values(), node.get("items"), node.get("additionalProperties")]:
        if child is not None:
            remove_maxima(child)


# Objects that the earlier CRD accepted and this one refuses, each with the field that an error names.
STORED = {
    "spec-text": ({"podTemplate": {"spec": "x"}}, "spec.podTemplate.spec"),
    "containers-number": (pod(containers=5), "spec.podTemplate.spec.containers"),
    "containers-map": (pod(containers={"name": "side"}), "spec.podTemplate.spec.containers"),
    "container-unnamed": (pod(containers=[{"image": "x"}]), "spec.podTemplate.spec.containers[0].name"),
    "quantity": (
        pod(containers=[{"name": "agent", "resources": {"limits": {"cpu": "1" * 30_000}}}]),
        "spec.podTemplate.spec.containers[0].resources.limits.cpu",
    ),
    "label": ({"namespace": {"name": "n", "labels": {"a": "x" * 64}}}, "spec.namespace.labels.a"),
    "annotations": ({"service": {"annotations": {f"a{i}": "" for i in range(65)}}}, "spec.service.annotations"),
}


@pytest.fixture
def upgraded() -> Registry:
    """An API server with the current CRD, and objects that were stored with the earlier one."""
    registry = Registry()
    registry.bootstrap()
    registry.create(CRDS, "", earlier_crd(), manager="test")
    for name, (spec, _) in STORED.items():
        registry.create(AGENTS, "default", agent(name, **spec), manager="test")
    registry.update(CRDS, "", crd.crd(), manager="test")
    return registry


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, (_, field) in STORED.items()])
def test_a_stored_object_that_the_schema_refuses_can_be_changed_elsewhere(
    upgraded: Registry, name: str, field: str
) -> None:
    """A kube-apiserver 1.30 or newer does the same. Only the invalid field must be corrected when it changes."""
    live = upgraded.get(AGENTS, "default", name)
    labelled = {**live, "metadata": {**live["metadata"], "labels": {"a": "b"}}}
    live = upgraded.update(AGENTS, "default", labelled, manager="test")
    live = upgraded.update(
        AGENTS, "default", {**live, "status": {"ready": "0/1"}}, manager="operator", subresource="status"
    )
    live = upgraded.update(AGENTS, "default", {**live, "spec": {**live["spec"], "replicas": 2}}, manager="test")
    assert (live["spec"]["replicas"], live["status"], live["metadata"]["labels"]) == (2, {"ready": "0/1"}, {"a": "b"})

    fresh = agent(f"{name}-new", **STORED[name][0])
    with pytest.raises(ApiError) as caught:
        upgraded.create(AGENTS, "default", fresh, manager="test")
    assert field in {cause["field"] for cause in caught.value.status["details"]["causes"]}


def test_an_unknown_field_of_a_stored_object_is_dropped(upgraded: Registry) -> None:
    deep = json.loads('{"a":' * 90 + "{}" + "}" * 90)
    resource = upgraded.resource(AGENTS)
    options = WriteOptions("test", validation="Ignore")
    created = upgraded.writer.create(resource, "default", agent("deep", podTemplate={"x": deep}), options)

    assert created.object["spec"]["podTemplate"] == {}
