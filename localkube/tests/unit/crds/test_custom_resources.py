"""CRDs and the validation of their instances."""

from typing import Any

import pytest

from localkube.apiserver import versions
from localkube.apiserver.options import WriteOptions
from localkube.apiserver.registry import ApiError, Registry
from localkube.apiserver.storage.store import Store

CRDS = "customresourcedefinitions.apiextensions.k8s.io"
WIDGETS = "widgets.example.org"


def crd(spec: dict[str, Any], **schema: Any) -> dict[str, Any]:
    root = {"type": "object", "properties": {"spec": spec, "status": {"type": "object"}}, **schema}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": root},
    }
    names = {"plural": "widgets", "kind": "Widget"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": WIDGETS},
        "spec": {"group": "example.org", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def serving(spec: dict[str, Any], **schema: Any) -> Registry:
    registry = Registry(Store())
    registry.bootstrap()
    registry.create(CRDS, "", crd({"type": "object", **spec}, **schema), manager="test")
    return registry


def widget(registry: Registry, spec: dict[str, Any], name: str = "w") -> dict[str, Any]:
    obj = {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}
    return registry.create(WIDGETS, "default", obj, manager="test")


def refused(registry: Registry, spec: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(ApiError) as caught:
        widget(registry, spec)
    assert caught.value.code == 422
    return [(c["field"], c["reason"]) for c in caught.value.status["details"]["causes"]]


def refusal(spec: dict[str, Any]) -> list[tuple[str, str]]:
    registry = Registry(Store())
    with pytest.raises(ApiError) as caught:
        registry.create(CRDS, "", crd(spec), manager="test")
    return [(c["field"], c["reason"]) for c in caught.value.status["details"]["causes"]]


AT = "spec.validation.openAPIV3Schema.properties[spec]"


def test_a_crd_is_established_with_default_names() -> None:
    registry = serving({"properties": {}})
    found = registry.get(CRDS, "", WIDGETS)
    assert {c["type"]: c["status"] for c in found["status"]["conditions"]} == {
        "NamesAccepted": "True",
        "Established": "True",
    }
    assert found["status"]["acceptedNames"]["singular"] == "widget"
    assert found["spec"]["names"]["listKind"] == "WidgetList"


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, f"{AT}.type"),
        ({"type": "object", "properties": {"a": {"type": "array"}}}, f"{AT}.properties[a].items"),
        ({"type": "object", "additionalProperties": {}}, f"{AT}.additionalProperties.type"),
        ({"type": "object", "anyOf": [{"type": "object"}]}, f"{AT}.anyOf[0].type"),
        (
            {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"},
            f"{AT}.x-kubernetes-list-map-keys",
        ),
    ],
)
def test_a_schema_that_is_not_structural_is_refused(spec: dict[str, Any], field: str) -> None:
    assert field in [f for f, _ in refusal(spec)]


@pytest.mark.parametrize("rule", ["self.a.(", "self.nope == 1", "self.a.frobnicate()"])
def test_a_crd_with_an_invalid_rule_is_refused(rule: str) -> None:
    spec = {"type": "object", "properties": {"a": {"type": "string"}}, "x-kubernetes-validations": [{"rule": rule}]}
    assert refusal(spec) == [(f"{AT}.x-kubernetes-validations[0].rule", "FieldValueInvalid")]


def test_unknown_fields_are_pruned_and_defaults_filled_in() -> None:
    registry = serving({"properties": {"a": {"type": "string", "default": "x"}}})
    assert widget(registry, {"b": 1})["spec"] == {"a": "x"}


def test_rules_are_checked_with_their_message_path_and_reason() -> None:
    rule = {
        "rule": "self.size <= self.max",
        "message": "too big",
        "fieldPath": ".size",
        "reason": "FieldValueForbidden",
    }
    number = {"type": "integer"}
    registry = serving({"properties": {"size": number, "max": number}, "x-kubernetes-validations": [rule]})
    assert refused(registry, {"size": 2, "max": 1}) == [("spec.size", "FieldValueForbidden")]
    assert widget(registry, {"size": 1, "max": 1})["spec"] == {"size": 1, "max": 1}


def test_a_message_expression_replaces_the_message() -> None:
    rule = {"rule": "self.a == 'x'", "message": "plain", "messageExpression": "'got ' + self.a"}
    registry = serving({"properties": {"a": {"type": "string"}}, "x-kubernetes-validations": [rule]})
    with pytest.raises(ApiError, match="got y"):
        widget(registry, {"a": "y"})


def test_a_transition_rule_applies_to_updates_only() -> None:
    rule = {"rule": "self == oldSelf", "message": "immutable"}
    registry = serving({"properties": {"a": {"type": "string", "x-kubernetes-validations": [rule]}}})
    created = widget(registry, {"a": "1"})
    with pytest.raises(ApiError, match="immutable"):
        registry.update(WIDGETS, "default", {**created, "spec": {"a": "2"}}, manager="test")


def test_a_transition_rule_finds_list_items_by_their_keys() -> None:
    rule = {"rule": "self.v >= oldSelf.v", "message": "only up"}
    item = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "v": {"type": "integer"}},
        "x-kubernetes-validations": [rule],
    }
    listed = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    registry = serving({"properties": {"items": listed}})
    created = widget(registry, {"items": [{"name": "a", "v": 5}, {"name": "b", "v": 1}]})
    swapped = {"items": [{"name": "b", "v": 2}, {"name": "a", "v": 4}]}
    with pytest.raises(ApiError) as caught:
        registry.update(WIDGETS, "default", {**created, "spec": swapped}, manager="test")
    assert [c["field"] for c in caught.value.status["details"]["causes"]] == ["spec.items[1]"]


def test_an_unchanged_value_that_violates_a_new_schema_is_accepted() -> None:
    registry = serving({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}})
    created = widget(registry, {"a": "long"})
    stricter = crd({"type": "object", "properties": {"a": {"type": "string", "maxLength": 2}, "b": {"type": "string"}}})
    registry.update(CRDS, "", stricter, manager="test")
    changed = registry.update(WIDGETS, "default", {**created, "spec": {"a": "long", "b": "x"}}, manager="test")
    assert changed["spec"]["b"] == "x"


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ("quantity(self.a).isLessThan(quantity('1Gi'))", "512Mi", "2Gi"),
        ("isURL(self.a) && url(self.a).getScheme() == 'https'", "https://x.org/", "http://x.org/"),
        ("self.a.split(',').all(p, p.size() > 0)", "a,b", "a,,b"),
        ("cidr('10.0.0.0/8').containsIP(self.a)", "10.1.2.3", "11.0.0.1"),
        ("self.a.find('[0-9]+') == '12'", "ab12", "ab"),
        ("duration(self.a) > duration('1m')", "5m", "5s"),
        ("self.a in ['x', 'y']", "x", "z"),
    ],
)
def test_cel_functions_of_kubernetes_work(rule: str, good: str, bad: str) -> None:
    rules = [{"rule": rule, "message": "no"}]
    registry = serving({"properties": {"a": {"type": "string"}}, "x-kubernetes-validations": rules})
    assert refused(registry, {"a": bad}) == [("spec", "FieldValueInvalid")]
    assert widget(registry, {"a": good})["spec"] == {"a": good}


def test_changes_of_the_spec_but_not_of_the_status_increase_the_generation() -> None:
    registry = serving({"properties": {"a": {"type": "string"}}})
    created = widget(registry, {"a": "1"})
    created = registry.update(WIDGETS, "default", {**created, "status": {}}, manager="test", subresource="status")
    assert created["metadata"]["generation"] == 1
    created = registry.update(WIDGETS, "default", {**created, "spec": {"a": "2"}}, manager="test")
    assert created["metadata"]["generation"] == 2


def test_deleting_a_crd_deletes_its_instances() -> None:
    registry = serving({"properties": {}})
    widget(registry, {})
    registry.delete(CRDS, "", WIDGETS)
    assert registry.find(CRDS, "", WIDGETS) is None
    with pytest.raises(ApiError):
        registry.get(WIDGETS, "default", "w")


def test_an_object_is_served_in_every_version() -> None:
    definition = crd({"type": "object", "properties": {"a": {"type": "string"}}})
    older = {**definition["spec"]["versions"][0], "name": "v1beta1", "storage": False}
    definition["spec"]["versions"].append(older)
    registry = Registry(Store())
    registry.bootstrap()
    registry.create(CRDS, "", definition, manager="test")
    resource = registry.resource(WIDGETS)
    assert resource.versions == ("v1", "v1beta1")
    obj = {"apiVersion": "example.org/v1beta1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"a": "x"}}
    registry.writer.create(resource, "default", obj, WriteOptions(version="v1beta1"))
    stored = registry.get(WIDGETS, "default", "w")
    assert stored["apiVersion"] == "example.org/v1"
    assert versions.served(resource, "v1beta1", stored)["apiVersion"] == "example.org/v1beta1"
