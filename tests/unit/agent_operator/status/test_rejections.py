"""Why the API server rejected a child: the field of the AgentDeployment, and the reason without secrets."""

from typing import Any

import pytest

from agent_operator.kube.objects import Ref
from agent_operator.kube.session import ApiError, Cause
from agent_operator.status.problems import refused
from agent_operator.status.rejections import RejectedChild
from tests.cpu_time import LIMIT, cpu_seconds

TARGET = Ref("Deployment", "ns", "a")
SPEC: dict[str, Any] = {
    "env": [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"key": "token"}}},
        {"name": "PASSWORD", "value": "hunter2"},
    ],
    "podTemplate": {"spec": {"containers": [{"name": "side", "resources": {"limits": {"memory": "1GB"}}}]}},
}
MANIFEST: dict[str, Any] = {
    "kind": "Deployment",
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {"name": "agent", "env": [{"name": "AGENT_NAME", "value": "a"}, *SPEC["env"]]},
                    {"name": "side", "resources": {"limits": {"memory": "1GB"}}},
                ]
            }
        }
    },
}
ENV = "spec.template.spec.containers[0].env"
APPLY = "failed to create typed patch object (ns/a; apps/v1, Kind=Deployment): "
# The response of the API server, then the field of the problem and what its message contains.
CASES: list[tuple[ApiError, str, list[str]]] = [
    (
        ApiError(422, "Invalid", "", [Cause(f"{ENV}[1].valueFrom.secretKeyRef.name", "Required value")]),
        "spec.env[0].valueFrom.secretKeyRef.name",
        ["Required value: correct it", f"Deployment ns/a: {ENV}[1].valueFrom.secretKeyRef.name"],
    ),
    (
        ApiError(
            422,
            "Invalid",
            "",
            [
                Cause(
                    f"{ENV}[1].valueFrom.fieldRef.fieldPath",
                    'Invalid value: "metadata.nope": error converting fieldPath',
                )
            ],
        ),
        "spec.env[0].valueFrom.fieldRef.fieldPath",
        ['Invalid value: "metadata.nope": error converting fieldPath'],
    ),
    (
        ApiError(422, "Invalid", "", [Cause(f"{ENV}[2].value", 'Invalid value: "hunter2: \\"x\\"": must be short')]),
        "spec.env[1].value",
        ["Invalid value: (left out): must be short"],
    ),
    (
        ApiError(
            422, "Invalid", "", [Cause("spec.template", 'Invalid value: {"a": "hunter2: }"}: field is immutable')]
        ),
        "spec.podTemplate",
        ["Invalid value: (left out): field is immutable"],
    ),
    (
        ApiError(422, "Invalid", "", [Cause("spec.template", 'Invalid value: core.Pod{A:"hunter2"}')]),
        "spec.podTemplate",
        ["Invalid value: (left out)"],
    ),
    (
        ApiError(
            500,
            "",
            f'{APPLY}.spec.template.spec.containers[name="agent"].env: duplicate entries for key [name="TOKEN"]',
        ),
        "spec.env",
        ['duplicate entries for key [name="TOKEN"]'],
    ),
    (
        ApiError(
            500,
            "",
            f'{APPLY}errors:\n  .spec.template.spec.containers[name="agent"].readinessProbe.httpGet.protocol: '
            "field not declared in schema\n"
            '  .spec.template.spec.containers[name="side"].ports: duplicate entries for key [x]',
        ),
        "spec.probes.readiness.httpGet.protocol",
        ["field not declared in schema", "spec.podTemplate.spec.containers[0].ports: duplicate entries"],
    ),
    (
        ApiError(
            500,
            "",
            "failed to convert new object (ns/a; apps/v1, Kind=Deployment) to proper version (apps/v1): quantities "
            "must match the regular expression, in spec.template.spec.containers[1].resources.limits.memory",
        ),
        "spec.podTemplate.spec.containers[0].resources.limits.memory",
        ["the API server rejected Deployment ns/a: failed to convert new object", "quantities must match"],
    ),
    (
        ApiError(400, "BadRequest", 'admission webhook "x" denied the request: PASSWORD is "hunter2"'),
        "",
        ['denied the request: PASSWORD is "(left out)"'],
    ),
]


def child(target: Ref = TARGET, manifest: dict[str, Any] = MANIFEST) -> RejectedChild:
    return RejectedChild(target, manifest, SPEC)


@pytest.mark.parametrize(("error", "field", "parts"), CASES)
def test_a_rejection_names_the_field_and_the_reason_without_secrets(
    error: ApiError, field: str, parts: list[str]
) -> None:
    problem = refused(child(), error, namespace_managed=True)
    assert (problem.reason, problem.field, problem.retry) == ("Rejected", field, False)
    assert [part for part in parts if part not in problem.message] == [], problem.message
    assert "hunter2" not in problem.message


@pytest.mark.parametrize(
    ("field", "message", "expected"),
    [
        (
            "data[a b]",
            'Invalid value: "hunter2": a valid config key must consist of x',
            "(left out): a valid config key",
        ),
        ("metadata.name", 'Invalid value: "hunter2": must be no more than 253 characters', "must be no more than 253"),
    ],
)
def test_the_rejection_of_a_secret_has_the_reason_but_no_value(field: str, message: str, expected: str) -> None:
    error = ApiError(422, "Invalid", f"Secret is invalid: {message}", [Cause(field, message)])
    found = refused(child(Ref("Secret", "ns", "a"), {"kind": "Secret"}), error, namespace_managed=True)
    assert expected in found.message
    assert "hunter2" not in found.message


def test_a_sentence_about_a_secret_is_left_out() -> None:
    error = ApiError(400, "BadRequest", 'the policy forbids "hunter2"')
    found = refused(child(Ref("Secret", "ns", "a"), {"kind": "Secret"}), error, namespace_managed=True)
    assert "hunter2" not in found.message


@pytest.mark.parametrize(
    ("code", "reason", "message", "expected"),
    [
        (500, "", APPLY + ".spec.x: field not declared in schema", True),
        (500, "", "failed to create typed patch object (apps/v1, Kind=Deployment [ns/a]): .spec.x: no", True),
        (500, "", "failed to convert new typed object (ns/a; v1, Kind=Service) to object: cannot unmarshal", True),
        (500, "InternalError", 'Internal error occurred: failed calling webhook "x": connection refused', False),
        (500, "", "etcdserver: request timed out", False),
        (503, "", APPLY, False),
    ],
)
def test_decode_errors_are_told_from_failures_of_the_server(
    code: int, reason: str, message: str, expected: bool
) -> None:
    assert ApiError(code, reason, message).is_decode_error is expected


def test_a_cut_value_of_a_variable_is_left_out() -> None:
    secret = "s3" * 40_000
    manifest = {"kind": "Job", "spec": {"template": {"spec": {"containers": [{"env": [{"value": secret}]}]}}}}
    found = child(manifest=manifest).words("the webhook says no to " + secret[:70_000])
    assert found == "the webhook says no to (left out)"


def test_a_message_that_quotes_a_large_object_takes_little_time() -> None:
    many = [{"name": f"V{number}", "value": f"value-{number}"} for number in range(1_000)]
    manifest = {"kind": "Job", "spec": {"template": {"spec": {"containers": [{"env": many}]}}}}
    message = "failed to x (" + "(" * 500_000 + 'Invalid value: "' + "}: \\" * 500_000
    causes = [Cause("spec.template" + "[a" * 500_000, message)] * 30

    def report() -> None:
        for error in (ApiError(400, "", message), ApiError(422, "Invalid", "", causes)):
            assert len(refused(child(manifest=manifest), error, namespace_managed=True).message) < 5_000

    assert cpu_seconds(report) < LIMIT
