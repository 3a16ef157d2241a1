"""What the conditions say."""

from typing import Any

import pytest

from agent_operator.conditions import Facts, Pods, Problem, decide
from agent_operator.reasons import Reason

NOW = "2026-01-02T00:00:00Z"


def deployment(wanted: int = 3, generation: int = 2, conditions: Any = (), **status: int) -> dict[str, Any]:
    return {
        "metadata": {"name": "a", "generation": generation},
        "spec": {"replicas": wanted},
        "status": {"observedGeneration": 2, "conditions": list(conditions), **status},
    }


ALL = {"replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}
LATE = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
DOWN = [{"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable"}]
FAILURE = {"pod": "a-1", "reason": "CrashLoopBackOff"}


def facts(live: Any = None, **more: Any) -> Facts:
    return Facts(**({"generation": 4, "applied": True, "deployment": live} | more))


# facts -> the reason of Ready, then those conditions that are not False
TABLE: list[tuple[str, Facts, str, dict[str, str]]] = [
    ("ready", facts(deployment(**ALL)), "Ready", {"Ready": "True", "Available": "True"}),
    ("none wanted", facts(deployment(0)), "ScaledToZero", {"Ready": "True"}),
    (
        "surplus old pods",
        facts(deployment(**(ALL | {"replicas": 4}))),
        "RollingOut",
        {"Available": "True", "Progressing": "True", "Reconciling": "True"},
    ),
    (
        "old counts",
        facts(deployment(generation=3, **ALL)),
        "RollingOut",
        {"Available": "True", "Progressing": "True", "Reconciling": "True"},
    ),
    (
        "not all updated",
        facts(deployment(**(ALL | {"updatedReplicas": 1})), failure=FAILURE),
        "RollingOut",
        {"Available": "True", "Progressing": "True", "Reconciling": "True"},
    ),
    (
        "not all available",
        facts(deployment(**(ALL | {"availableReplicas": 2}))),
        "Unavailable",
        {"Available": "True", "Progressing": "True", "Reconciling": "True"},
    ),
    (
        "below the minimum",
        facts(deployment(conditions=DOWN, **(ALL | {"availableReplicas": 1}))),
        "Unavailable",
        {"Progressing": "True", "Reconciling": "True"},
    ),
    (
        "too late",
        facts(deployment(conditions=LATE, replicas=4, updatedReplicas=1, availableReplicas=3), failure=FAILURE),
        "ProgressDeadlineExceeded",
        {"Available": "True", "Stalled": "True"},
    ),
    ("new", facts(deployment(conditions=())), "RollingOut", {"Progressing": "True", "Reconciling": "True"}),
    ("no deployment", facts(), "NoDeployment", {"Progressing": "True", "Reconciling": "True"}),
    (
        "not applied",
        facts(deployment(**ALL), applied=False),
        "NotApplied",
        {"Available": "True", "Progressing": "True", "Reconciling": "True"},
    ),
    (
        "suspended",
        facts(deployment(**ALL), suspended=True, applied=False),
        "Suspended",
        {"Ready": "Unknown", "Available": "True", "SecretsReady": "Unknown"},
    ),
    (
        "invalid",
        facts(deployment(**ALL), invalid=Problem("PromptInvalid", "spec.x: no", stalls=True), applied=False),
        "PromptInvalid",
        {"Available": "True", "SecretsReady": "Unknown", "Stalled": "True"},
    ),
    (
        "no secret",
        facts(uses_secrets=True, secrets=Problem("SecretMissing", "make it")),
        "SecretMissing",
        {"Reconciling": "True"},
    ),
    ("conflict", facts(blocked=Problem("Conflict", "Service", stalls=True)), "Conflict", {"Stalled": "True"}),
    (
        "warning",
        facts(deployment(**ALL), uses_secrets=True, warnings=(Problem("A", "one"), Problem("B", "two"))),
        "Ready",
        {"Ready": "True", "Available": "True", "Warning": "True"},
    ),
]


@pytest.mark.parametrize(("given", "reason", "expected"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_conditions(given: Facts, reason: str, expected: dict[str, str]) -> None:
    found = {condition["type"]: condition for condition in decide(given, (), NOW)}
    assert found["Ready"]["reason"] == reason
    other = {"ConfigValid": "True", "SecretsReady": "True"} | expected
    if given.invalid:
        del other["ConfigValid"]
    if given.secrets:
        del other["SecretsReady"]
    assert {kind: c["status"] for kind, c in found.items() if c["status"] != "False"} == other
    assert all(condition["observedGeneration"] == 4 and condition["message"] for condition in found.values())


def test_a_failing_pod_is_named() -> None:
    ready = decide(facts(deployment(), failure=FAILURE), (), NOW)[0]
    assert "pod a-1: CrashLoopBackOff" in ready["message"]


def test_warnings_are_all_told() -> None:
    warning = decide(facts(warnings=(Problem("A", "one"), Problem("B", "two"))), (), NOW)[-1]
    assert (warning["reason"], warning["message"]) == ("A", "one; two")


def test_the_time_of_a_transition_changes_only_with_the_status() -> None:
    then = "2026-01-01T00:00:00Z"
    first = decide(facts(deployment(**ALL)), (), then)
    again = decide(facts(deployment(**ALL), generation=5), first, NOW)
    assert {condition["lastTransitionTime"] for condition in again} == {then}
    flipped = {c["type"]: c for c in decide(facts(deployment()), first, NOW)}
    assert flipped["Ready"]["lastTransitionTime"] == NOW
    assert flipped["ConfigValid"]["lastTransitionTime"] == then


def test_counts_of_no_deployment_are_zero() -> None:
    assert Pods.of(None) == Pods()
    assert not Pods.of(None).complete


def test_reasons_are_words() -> None:
    assert all(reason.value.isalpha() and reason.value[0].isupper() for reason in Reason)
