"""Which Ingresses authenticate callers: by the operator, and by the expressions of the admission policy."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeploymentSpec
from agent_operator.inputs.ingress_auth import authenticates
from kubeschema.cel_binding import Program, known_functions
from tests import fast_yaml as yaml

POLICY = Path(__file__).parents[4] / "deploy" / "kustomize" / "admission" / "policy.yaml"
# A chain of optional fields of an object, and its last call.
OPTIONAL = re.compile(r"(object(?:\.\w+)*)((?:\.\?\w+|\[\?\([^)]*\)\]|\[\?'[^']*'\])+)\.(orValue|hasValue)\(")
OPTIONAL_KEY = re.compile(r"\.\?(\w+)|\[\?([^\]]*)\]")
ECHO = {"models": [{"name": "echo", "provider": "echo"}]}
URL = {"auth-url": "https://sso.example.com/auth"}
BASIC = {"auth-type": "basic", "auth-secret": "users"}
CERTIFICATE = {"auth-tls-secret": "team/ca"}


def entry(annotations: dict[str, str], common: dict[str, str] | None = None, **fields: str) -> dict[str, Any]:
    given = {key if "/" in key else f"nginx.ingress.kubernetes.io/{key}": text for key, text in annotations.items()}
    shared = {f"nginx.ingress.kubernetes.io/{key}": text for key, text in (common or {}).items()}
    return {"ingress": {"host": "a.b", **fields, "annotations": given}} | (
        {"commonAnnotations": shared} if shared else {}
    )


AUTHENTICATE = [
    entry(URL),
    entry(URL, className="nginx"),
    entry(URL | {"kubernetes.io/ingress.class": "nginx"}),
    entry({}, URL),
    entry(BASIC),
    entry(BASIC | {"auth-type": "digest", "satisfy": "all"}),
    entry(CERTIFICATE),
    entry(CERTIFICATE | {"auth-tls-verify-client": "on"}),
    entry(CERTIFICATE | BASIC | {"auth-tls-verify-client": "optional"}),
]
DO_NOT = [
    {},
    {"ingress": {"host": "a.b"}},
    entry({"auth-url": ""}),
    entry({"auth-url": " "}),
    entry({"auth-url": "/auth"}),
    entry({"auth-type": "basic"}),
    entry({"auth-secret": "users"}),
    entry(BASIC | {"auth-type": ""}),
    entry(BASIC | {"auth-type": "none"}),
    entry({"auth-tls-secret": ""}),
    entry({"auth-tls-secret": "ca"}),
    *(entry(CERTIFICATE | {"auth-tls-verify-client": value}) for value in ("off", "optional", "optional_no_ca")),
    entry(CERTIFICATE, {"auth-tls-verify-client": "off"}),
    entry(URL, className="traefik"),
    entry(URL, className=""),
    entry(URL | {"kubernetes.io/ingress.class": "traefik"}),
    entry(URL | {"satisfy": "any"}),
    entry(URL, {"satisfy": "any"}),
    entry(URL | {"auth-url": ""}, URL),
    entry(URL | {"configuration-snippet": "auth_request off;"}),
    entry(URL | {"server-snippet": "location /v1 { proxy_pass http://agent; }"}),
]


@pytest.fixture(scope="module")
def variables() -> list[dict[str, str]]:
    """The variables of the policy on which its validation depends, in order."""
    policies = yaml.safe_load_all(POLICY.read_text(encoding="utf-8"))
    found = next(
        it
        for it in policies
        if (it["kind"], it["metadata"]["name"]) == ("ValidatingAdmissionPolicy", "exposure.agent-operator.dev")
    )
    given: list[dict[str, str]] = found["spec"]["variables"]
    return given


def with_calls(expression: str) -> str:
    """Replace optional fields such as `object.spec.?a[?'b'].orValue(c)`, which the library of the tests lacks."""

    def call(found: re.Match[str]) -> str:
        keys = [f"'{name}'" if name else index for name, index in OPTIONAL_KEY.findall(found[2])]
        return f"{found[3]}({found[1]}, [{', '.join(keys)}]" + (", " if found[3] == "orValue" else "")

    return OPTIONAL.sub(call, expression)


def lookup(value: Any, keys: list[str]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "orValue": lambda value, keys, default: default if lookup(value, keys) is None else lookup(value, keys),
    "hasValue": lambda value, keys: lookup(value, keys) is not None,
}


def evaluate(variables: list[dict[str, str]], spec: dict[str, Any]) -> bool:
    values: dict[str, Any] = {}
    for variable in variables:
        program = Program(with_calls(variable["expression"]), known_functions() | FUNCTIONS)
        values[variable["name"]] = program.run({"object": {"spec": {"config": ECHO} | spec}, "variables": values})
    return bool(values["authenticated"])


@pytest.mark.parametrize(
    ("spec", "expected"), [*((it, True) for it in AUTHENTICATE), *((it, False) for it in DO_NOT)], ids=str
)
def test_only_authentication_that_the_controller_applies_counts(
    spec: dict[str, Any], expected: bool, variables: list[dict[str, str]]
) -> None:
    assert authenticates(AgentDeploymentSpec.model_validate({"config": ECHO} | spec)) is expected
    assert evaluate(variables, spec) is expected
