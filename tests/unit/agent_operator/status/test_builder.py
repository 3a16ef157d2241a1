"""The merge patch of a status, and the parts of a status."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_operator.api import bounds, constants, openapi
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.diagnosis.findings import ComponentFault, Diagnosis
from agent_operator.kube.objects import Key, Live, Ref, pack
from agent_operator.render import Inputs, render
from agent_operator.render.plan import Owner
from agent_operator.status.builder import changes, first_failure, new_warnings, own, pod_failure, status
from agent_operator.status.observed import ObservedState
from kubeschema.value_rules import validate_value

SPEC = {"config": {"models": [{"name": "echo", "provider": "echo"}]}}
STATUS = st.dictionaries(st.sampled_from("abcd"), st.integers() | st.lists(st.integers(), max_size=2))


@given(STATUS, STATUS)
def test_the_patch_turns_one_status_into_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    """In a merge patch, null removes a field and any other value replaces it. Equal statuses need no patch."""
    patch = changes(before, after)
    merged = {key: value for key, value in (before | patch).items() if value is not None}
    assert merged == after
    assert (patch == {}) is (before == after)


def child(kind: str, name: str, uid: str) -> tuple[Ref, Live]:
    owner = {"apiVersion": constants.API_VERSION, "kind": constants.KIND, "name": "a", "uid": uid, "controller": True}
    meta = {"name": name, "namespace": "ns", "uid": name, "ownerReferences": [owner]}
    return Ref(kind, "ns", name), pack(kind, {"metadata": meta, "spec": {}})


def test_only_owned_children_are_listed() -> None:
    live = dict([child("Service", "a", "u"), child("Service", "a-canary", "x"), child("Pod", "a", "u")])
    assert list(own(live, Owner("u", Key("ns", "a"), "ns"))) == [Ref("Service", "ns", "a")]


def test_the_failure_is_that_of_the_first_failing_pod() -> None:
    assert first_failure([{}, {"failure": {"pod": "b"}}, {"failure": {"pod": "c"}}], (), {}) == {"pod": "b"}
    assert first_failure([{}], (None,), {}) is None


def test_the_status_has_only_what_the_schema_allows_whatever_others_write() -> None:
    """The API server refuses a status with a value that is too long, so the agent would keep its old status."""
    failure = {"pod": "p", "container": "c" * 300, "reason": "R" * 9_000, "time": "T" * 999, "message": "m" * 1_024}
    warning = Problem(Reason.READY, "spec", "w" * 99_000)
    state = ObservedState(generation=1, failure=failure, warnings=(warning,), blocked=warning)
    live: dict[Ref, Any] = {Ref("ConfigMap", "ns", f"c-{number}"): {"metadata": {}} for number in range(500)}
    found = status(state, {}, live, None, name="a", now="2026-01-01T00:00:00Z")

    schema = openapi.schemas()[constants.KIND]
    assert [(cause.field, cause.message) for cause in validate_value(schema, {"spec": SPEC, "status": found})] == []
    assert len(found["children"]) == bounds.CHILDREN
    assert len(found["lastFailure"]["reason"]) == bounds.IDENTIFIER


def test_secrets_of_the_status_have_a_maximum() -> None:
    names = {f"s-{number}": "hash" for number in range(500)}
    rendered = replace(
        render(Inputs(AgentDeployment.model_validate({"metadata": {"name": "a"}, "spec": SPEC}))), secrets=names
    )
    found = status(ObservedState(generation=1), {}, {}, rendered, name="a", now="2026-01-01T00:00:00Z")

    assert len(found["secrets"]) == bounds.SECRETS


def test_each_new_warning_is_reported_once() -> None:
    problems = (Problem(Reason.API_MISSING, "", "install it"), Problem(Reason.CONFLICT, "spec.replicas", "remove it"))

    one = status(ObservedState(1, warnings=problems[:1]), {}, {}, None, name="a", now="2026-01-01T00:00:00Z")
    two = status(ObservedState(1, warnings=problems), one, {}, None, name="a", now="2026-01-01T00:00:00Z")

    assert two["warnings"] == [
        {"reason": "ApiMissing", "message": "install it"},
        {"reason": "Conflict", "field": "spec.replicas", "message": "remove it"},
    ]
    assert list(new_warnings(one, two)) == [({"reason": "Conflict", "message": "spec.replicas: remove it"}, "Warning")]
    assert list(new_warnings(two, one)) == []


VITAL = ComponentFault("gpt", "HostUnknown", "nowhere does not resolve", "a-1", is_vital=True)
MOUNT = {"pod": "a-1", "reason": "FailedMount", "message": 'configmap "x" not found'}


@pytest.mark.parametrize(
    ("found", "diagnosis", "before", "unready", "expected"),
    [
        (MOUNT, Diagnosis(components=(VITAL,)), None, ["a-1"], MOUNT),
        (None, Diagnosis(failure=MOUNT), None, ["a-1"], MOUNT),
        (None, Diagnosis(failure=MOUNT), None, ["a-2"], None),
        (None, Diagnosis(components=(VITAL,)), None, ["a-1"], VITAL.failure),
        (None, Diagnosis(components=(VITAL,)), None, [], None),
        (None, Diagnosis(components=(replace(VITAL, is_vital=False),)), None, ["a-1"], None),
        (None, Diagnosis(), MOUNT, ["a-1"], MOUNT),
        (None, Diagnosis(), MOUNT, ["a-2"], None),
        (None, Diagnosis(is_complete=True), MOUNT, ["a-1"], None),
    ],
)
def test_the_failure_of_a_pod_that_its_status_does_not_show(
    found: Any, diagnosis: Diagnosis, before: Any, unready: list[str], expected: Any
) -> None:
    """A restarted operator keeps the failure until it has looked at the pods. A serving agent has no failure."""
    assert pod_failure(found, diagnosis, before, unready=unready) == expected
