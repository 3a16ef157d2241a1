"""Every agent that the models accept is rendered, or refused with a field and a remedy."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agent_operator import validation
from agent_operator.api.problems import Problem, ProblemError
from agent_operator.api.v1alpha1 import AgentDeployment, AgentDeploymentSpec
from agent_operator.render import Inputs, Rendered, render
from tests.pod_security import APPARMOR, violations
from tests.valid.agents import agents as valid_agents
from tests.valid.manifests import kept

SCHEMA = AgentDeploymentSpec.model_json_schema(by_alias=True)
FIELDS = sorted(SCHEMA["properties"])
Values = st.SearchStrategy[Any]
# A profile may ask for more: --hypothesis-profile=thorough tries 10,000.
ENOUGH = max(200, settings().max_examples)


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
    if node.get("additionalProperties") is True:
        return st.dictionaries(st.sampled_from(["metadata", "spec", "x"]), ANYTHING, max_size=2) | TEMPLATES
    below = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
    keys = st.from_regex(r"\A[A-Za-z_]{1,9}\Z") | st.text(max_size=20)
    return st.dictionaries(keys, values(below[0] or {}), min_size=node.get("minProperties", 0), max_size=2)


# What a podTemplate may hold: anything, as its schema says; and what could be one.
ANYTHING: Values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["spec", "containers", "labels", "annotations", "name", "$patch", "securityContext", "env"]
            ),
            below,
            max_size=3,
        )
    ),
    max_leaves=8,
)
_PROFILES = st.none() | st.sampled_from([{"type": "Unconfined"}, {"type": "RuntimeDefault"}, {}])
_CONTEXT = st.fixed_dictionaries(
    {},
    optional={
        "privileged": st.booleans(),
        "allowPrivilegeEscalation": st.none() | st.booleans(),
        "runAsNonRoot": st.none() | st.booleans(),
        "runAsUser": st.sampled_from([None, 0, 1, 1000]),
        "procMount": st.sampled_from(["Default", "Unmasked"]),
        "readOnlyRootFilesystem": st.booleans(),
        "capabilities": st.none()
        | st.fixed_dictionaries(
            {}, optional={name: st.lists(st.sampled_from(["ALL", "NET_ADMIN"])) for name in ("add", "drop")}
        ),
        "seccompProfile": _PROFILES,
        "appArmorProfile": _PROFILES,
        "seLinuxOptions": st.sampled_from([{"type": "spc_t"}, {"user": "root"}, {"level": "s0"}]),
        "windowsOptions": st.sampled_from([{"hostProcess": True}, {}]),
        "$patch": st.sampled_from(["replace", "delete"]),
    },
)
_CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["agent", "log", "proxy"])},
        optional={
            "securityContext": st.none() | _CONTEXT,
            "ports": st.lists(st.sampled_from([{"containerPort": 8000, "hostPort": 80}, {"containerPort": 81}])),
            "resources": st.just({"limits": {"cpu": 1, "memory": "1Gi"}}),
            "livenessProbe": st.sampled_from([{"tcpSocket": {"port": 1, "host": "a"}}, {"tcpSocket": {"port": 1}}]),
            "$patch": st.sampled_from(["delete", "replace"]),
        },
    ),
    max_size=2,
)
_VOLUMES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"emptyDir": {}},
        {"hostPath": {"path": "/"}},
        {"nfs": {"server": "s", "path": "/"}},
        {"image": {"reference": "r"}},
    ]
)
_METADATA = {
    "labels": st.just({"team": "a"}),
    "annotations": st.dictionaries(st.just(f"{APPARMOR}agent"), st.sampled_from(["unconfined", "x", "localhost/p"])),
}
_SYSCTLS = [{"name": "kernel.msgmax", "value": "1"}]
TEMPLATES: Values = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries({}, optional=_METADATA),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "containers": _CONTAINERS,
                "initContainers": _CONTAINERS,
                "ephemeralContainers": _CONTAINERS,
                "securityContext": st.none()
                | _CONTEXT.map(lambda found: {**found, "privileged": None, "sysctls": _SYSCTLS[len(found) % 2 :]}),
                "hostNetwork": st.booleans(),
                "hostPID": st.booleans(),
                "automountServiceAccountToken": st.none() | st.booleans(),
                "volumes": st.lists(_VOLUMES.map(lambda source: {"name": "v", **source}), max_size=1),
            },
        ),
    },
)

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


def _tried(inputs: Inputs) -> tuple[Rendered | None, tuple[Problem, ...]]:
    try:
        return render(inputs), ()
    except ProblemError as error:
        return None, error.problems


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(agents())
def test_any_agent_is_rendered_or_refused_with_field_and_remedy(inputs: Inputs) -> None:
    result, failures = _tried(inputs)
    event("rendered" if result else "refused")
    validation.warnings(inputs)
    assert all(failure.field.startswith(("spec", "metadata.name")) for failure in failures)
    assert all(failure.message for failure in failures)
    assert result is None or result == render(Inputs(inputs.agent, inputs.prompt_template))


@settings(max_examples=ENOUGH, deadline=None, suppress_health_check=list(HealthCheck))
@given(valid_agents())
def test_every_valid_agent_is_rendered_and_its_pods_meet_restricted(inputs: Inputs) -> None:
    """The generator sets every field of the API."""
    manifests = render(inputs).manifests
    deployment = next(manifest for manifest in manifests if manifest["kind"] == "Deployment")

    assert all(kept(manifest) == manifest for manifest in manifests)
    assert violations(deployment["spec"]["template"]) == []


@settings(max_examples=ENOUGH, deadline=None, suppress_health_check=list(HealthCheck))
@given(inputs=valid_agents(), template=TEMPLATES)
def test_no_pod_template_overrides_the_hardening(inputs: Inputs, template: Any) -> None:
    spec = inputs.spec.model_copy(update={"pod_template": template})
    result, failures = _tried(replace(inputs, agent=inputs.agent.model_copy(update={"spec": spec})))
    event("rendered" if result else "refused")
    assert {failure.field.partition(".podTemplate")[0] for failure in failures} <= {"spec"}
    for manifest in result.manifests if result else ():
        if manifest["kind"] == "Deployment":
            assert violations(manifest["spec"]["template"]) == []


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{}%#ab |='\"()[]~*-\n.12") | st.text())
def test_any_prompt_is_rendered_or_refused(text: str) -> None:
    body: dict[str, Any] = {
        "metadata": {"name": "a"},
        "spec": {"config": {"models": [{"name": "e", "provider": "echo"}]}},
    }
    inputs = Inputs(
        AgentDeployment.model_validate(body | {"spec": body["spec"] | {"systemPrompt": {"text": text or "x"}}})
    )
    _, failures = _tried(inputs)
    assert {failure.field for failure in failures} <= {"spec.systemPrompt.text"}


def test_the_generator_knows_every_field() -> None:
    with pytest.raises(KeyError):
        values({"type": "number"})
    assert "disruptionBudget" in FIELDS
