"""Whatever the models accept is rendered or refused with a field and a remedy; nothing else ever happens."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agent_operator import policies
from agent_operator.api.v1alpha1 import AgentDeployment, AgentDeploymentSpec
from agent_operator.errors import Failure, InvalidSpec
from agent_operator.render import Inputs, Rendered, render

SCHEMA = AgentDeploymentSpec.model_json_schema(by_alias=True)
FIELDS = sorted(SCHEMA["properties"])
Values = st.SearchStrategy[Any]


def values(node: dict[str, Any]) -> Values:
    """Return a strategy for what a node of the models' JSON Schema accepts."""
    if "$ref" in node:
        return st.deferred(lambda: values(SCHEMA["$defs"][node["$ref"].rpartition("/")[2]]))
    if "anyOf" in node:
        return st.one_of([values(variant) for variant in node["anyOf"] if variant.get("type") != "null"])
    if "enum" in node or "const" in node:
        return st.sampled_from(node.get("enum") or [node["const"]])
    make: dict[str, Callable[[dict[str, Any]], Values]] = {
        "object": _objects,
        "array": lambda node: st.lists(values(node["items"]), min_size=node.get("minItems", 0), max_size=2).map(list),
        "string": _strings,
        "integer": lambda node: st.integers(node.get("minimum", -2), node.get("maximum", 2**31 - 1)),
        "boolean": lambda _: st.booleans(),
    }
    return make[node["type"]](node) if "type" in node else st.integers(0, 9) | st.text(max_size=9)


def _strings(node: dict[str, Any]) -> Values:
    if "pattern" in node:
        return st.from_regex(node["pattern"].replace("$", r"\Z")).filter(
            lambda text: len(text) <= node.get("maxLength", 99)
        )
    return st.text(min_size=node.get("minLength", 0), max_size=min(node.get("maxLength", 60), 60))


def _objects(node: dict[str, Any]) -> Values:
    if "properties" in node:
        fields = {name: values(child) for name, child in node["properties"].items()}
        required = {name: fields.pop(name) for name in node.get("required", [])}
        return st.fixed_dictionaries(required, optional=fields)
    below = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
    keys = st.from_regex(r"\A[A-Za-z_]{1,9}\Z") | st.text(max_size=20)
    return st.dictionaries(keys, values(below[0] or {}), min_size=node.get("minProperties", 0), max_size=2)


CONFIG: Values = st.fixed_dictionaries(
    {
        "models": st.lists(
            st.one_of(
                st.fixed_dictionaries({"name": st.just("e"), "provider": st.just("echo")}),
                st.fixed_dictionaries(
                    {"name": st.just("o"), "provider": st.just("openai")},
                    optional={"baseUrl": st.from_regex(r"\Ahttps?://[^\s/?#]+[^\s]*\Z"), "model": st.text(min_size=1)},
                ),
                st.fixed_dictionaries(
                    {"name": st.just("a"), "provider": st.just("azure_openai"), "deployment": st.text(min_size=1)},
                    optional={"endpoint": st.from_regex(r"\Ahttps://[a-z0-9.:\[\]-]+/?\Z")},
                ),
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda model: str(model["name"]),
        )
    },
    optional={"memory": values({"$ref": "#/$defs/MemoryConfig"}), "logLevel": st.sampled_from(["INFO", "DEBUG"])},
)


@st.composite
def agents(draw: st.DrawFn) -> Inputs:
    """Return an agent with a few of the spec's fields set, to anything that the models accept."""
    chosen = draw(st.sets(st.sampled_from([name for name in FIELDS if name != "config"]), max_size=3))
    spec = {name: draw(values(SCHEMA["properties"][name])) for name in sorted(chosen)}
    metadata = {
        "name": draw(st.sampled_from(["support", "a" * 52, "a" * 53, "Bad"])),
        "namespace": "team-a",
        "uid": draw(st.sampled_from(["", "3b1f0a52-6a0e-4b8b-9d7c-1f2e3d4c5b6a"])),
    }
    try:
        agent = AgentDeployment.model_validate({"metadata": metadata, "spec": spec | {"config": draw(CONFIG)}})
    except ValidationError:
        assume(False)
    return Inputs(agent, prompt_template=draw(st.none() | st.text()))


def _tried(inputs: Inputs) -> tuple[Rendered | None, tuple[Failure, ...]]:
    try:
        return render(inputs), ()
    except InvalidSpec as error:
        return None, error.failures


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(agents())
def test_any_agent_is_rendered_or_refused_with_field_and_remedy(inputs: Inputs) -> None:
    made, failures = _tried(inputs)
    event("rendered" if made else "refused")
    policies.warnings(inputs)
    assert all(failure.field.startswith(("spec", "metadata.name")) for failure in failures)
    assert all(failure.message for failure in failures)
    assert made is None or made == render(Inputs(inputs.agent, inputs.prompt_template))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{}%#ab |='\"()[]~*-\n.12") | st.text())
def test_any_prompt_is_rendered_or_refused(text: str) -> None:
    body = {"metadata": {"name": "a"}, "spec": {"config": {"models": [{"name": "e", "provider": "echo"}]}}}
    inputs = Inputs(
        AgentDeployment.model_validate(body | {"spec": body["spec"] | {"systemPrompt": {"text": text or "x"}}})
    )
    _, failures = _tried(inputs)
    assert {failure.field for failure in failures} <= {"spec.systemPrompt.text"}


def test_the_generator_knows_every_field() -> None:
    with pytest.raises(KeyError):
        values({"type": "number"})
    assert "disruptionBudget" in FIELDS
