"""The conditions of an agent."""

from typing import Any

import pytest

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import CanaryStatus, RolledBack, RolloutStatus
from agent_operator.diagnosis.findings import ComponentFault
from agent_operator.status.conditions import decide
from agent_operator.status.observed import ObservedState, Pods

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


def state(live: Any = None, **more: Any) -> ObservedState:
    return ObservedState(**({"generation": 4, "applied": True, "deployment": live} | more))


ROLLED_BACK = RolledBack(revision="bad", to="good", reason="CrashLoop", message="pod a-1 ends", time=NOW)
FAILED_ROLLOUT = RolloutStatus(target="bad", stable="good", rolled_back=ROLLED_BACK)
PINNED = RolloutStatus(
    target="bad", stable="good", rolled_back=ROLLED_BACK.model_copy(update={"manual": True, "reason": "RolledBack"})
)
STEP = CanaryStatus(revision="new", step=0, weight=20, phase="Watching", since=NOW)
CANARY = RolloutStatus(target="new", stable="old", canary=STEP)
WAITS = RolloutStatus(target="new", stable="old", canary=STEP.model_copy(update={"phase": "Paused"}))

# state -> the reason of Ready, then those conditions that are not False
TABLE: list[tuple[str, ObservedState, str, dict[str, str]]] = [
    ("ready", state(deployment(**ALL)), "Ready", {"Ready": "True", "Available": "True"}),
    ("scaled to zero", state(deployment(0)), "ScaledToZero", {"Ready": "True"}),
    (
        "rolled back",
        state(deployment(**ALL), rollout=FAILED_ROLLOUT),
        "RolledBack",
        {"Available": "True", "Stalled": "True"},
    ),
    (
        "rolled back, while pods of the failed revision are deleted",
        state(deployment(**(ALL | {"replicas": 4})), rollout=FAILED_ROLLOUT),
        "RolledBack",
        {"Available": "True", "Stalled": "True"},
    ),
    ("pinned", state(deployment(**ALL), rollout=PINNED), "RolledBack", {"Available": "True", "Stalled": "True"}),
    (
        "rolling back to a pinned revision",
        state(deployment(**(ALL | {"replicas": 4})), rollout=PINNED),
        "RollingOut",
        {"Available": "True", "Reconciling": "True"},
    ),
    (
        "canary",
        state(deployment(**(ALL | {"replicas": 4})), rollout=CANARY),
        "Canary",
        {"Available": "True", "Progressing": "True", "Reconciling": "True"},
    ),
    (
        "canary that waits",
        state(deployment(**ALL), rollout=WAITS),
        "CanaryPaused",
        {"Available": "True", "Progressing": "True", "Reconciling": "True"},
    ),
    (
        "surplus old pods",
        state(deployment(**(ALL | {"replicas": 4}))),
        "RollingOut",
        {"Available": "True", "Progressing": "True", "Reconciling": "True"},
    ),
    (
        "old counts",
        state(deployment(generation=3, **ALL)),
        "RollingOut",
        {"Available": "True", "Progressing": "True", "Reconciling": "True"},
    ),
    (
        "not all updated",
        state(deployment(**(ALL | {"updatedReplicas": 1})), failure=FAILURE),
        "RollingOut",
        {"Available": "True", "Progressing": "True", "Reconciling": "True"},
    ),
    (
        "not all available",
        state(deployment(**(ALL | {"availableReplicas": 2}))),
        "Unavailable",
        {"Available": "True", "Progressing": "True", "Reconciling": "True"},
    ),
    (
        "below the minimum",
        state(deployment(conditions=DOWN, **(ALL | {"availableReplicas": 1}))),
        "Unavailable",
        {"Progressing": "True", "Reconciling": "True"},
    ),
    (
        "too late",
        state(deployment(conditions=LATE, replicas=4, updatedReplicas=1, availableReplicas=3), failure=FAILURE),
        "ProgressDeadlineExceeded",
        {"Available": "True", "Stalled": "True"},
    ),
    ("new", state(deployment(conditions=())), "RollingOut", {"Progressing": "True", "Reconciling": "True"}),
    ("no deployment", state(), "NoDeployment", {"Progressing": "True", "Reconciling": "True"}),
    (
        "not applied",
        state(deployment(**ALL), applied=False),
        "NotApplied",
        {"Available": "True", "Progressing": "True", "Reconciling": "True"},
    ),
    (
        "suspended",
        state(deployment(**ALL), suspended=True, applied=False),
        "Suspended",
        {"Ready": "Unknown", "Available": "True", "SecretsReady": "Unknown"},
    ),
    (
        "invalid",
        state(deployment(**ALL), invalid=Problem("PromptInvalid", "spec.x", "no"), applied=False),
        "PromptInvalid",
        {"Available": "True", "SecretsReady": "Unknown", "Stalled": "True"},
    ),
    (
        "no secret",
        state(uses_secrets=True, secrets=Problem("SecretMissing", "", "make it", retry=True)),
        "SecretMissing",
        {"Reconciling": "True"},
    ),
    ("conflict", state(blocked=Problem("Conflict", "", "Service")), "Conflict", {"Stalled": "True"}),
    (
        "warning",
        state(deployment(**ALL), uses_secrets=True, warnings=(Problem("A", "", "one"), Problem("B", "spec.b", "two"))),
        "Ready",
        {"Ready": "True", "Available": "True", "Warning": "True"},
    ),
]


@pytest.mark.parametrize(("given", "reason", "expected"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_conditions(given: ObservedState, reason: str, expected: dict[str, str]) -> None:
    found = {condition["type"]: condition for condition in decide(given, (), NOW)}
    assert found["Ready"]["reason"] == reason
    other = {"ConfigValid": "True", "SecretsReady": "True", "ComponentsHealthy": "Unknown"} | expected
    if given.invalid:
        del other["ConfigValid"]
    if given.secrets:
        del other["SecretsReady"]
    assert {kind: c["status"] for kind, c in found.items() if c["status"] != "False"} == other
    assert all(condition["observedGeneration"] == 4 and condition["message"] for condition in found.values())


def test_a_failing_pod_is_named() -> None:
    ready = decide(state(deployment(), failure=FAILURE), (), NOW)[0]
    assert "pod a-1: CrashLoopBackOff" in ready["message"]


def test_a_rollback_is_described_with_its_cause_and_the_remedy() -> None:
    found = {it["type"]: it for it in decide(state(deployment(**ALL), rollout=FAILED_ROLLOUT), (), NOW)}

    assert (found["Progressing"]["status"], found["Progressing"]["reason"]) == ("False", "RolledBack")
    assert "rolled back from revision bad to good: CrashLoop: pod a-1 ends" in found["Progressing"]["message"]
    assert "agentctl retry" in found["Progressing"]["message"]


def test_a_canary_is_described_with_its_step() -> None:
    found = {it["type"]: it for it in decide(state(deployment(**ALL), rollout=WAITS), (), NOW)}

    assert found["Progressing"]["reason"] == "CanaryPaused"
    assert found["Progressing"]["message"].startswith("step 1: 20 % for revision new")


def test_all_warnings_are_listed() -> None:
    warning = decide(state(warnings=(Problem("A", "", "one"), Problem("B", "spec.b", "two"))), (), NOW)[-1]
    assert (warning["reason"], warning["message"]) == ("A", "one; spec.b: two")


def test_the_time_of_a_transition_changes_only_with_the_status() -> None:
    then = "2026-01-01T00:00:00Z"
    first = decide(state(deployment(**ALL)), (), then)
    again = decide(state(deployment(**ALL), generation=5), first, NOW)
    assert {condition["lastTransitionTime"] for condition in again} == {then}
    flipped = {c["type"]: c for c in decide(state(deployment()), first, NOW)}
    assert flipped["Ready"]["lastTransitionTime"] == NOW
    assert flipped["ConfigValid"]["lastTransitionTime"] == then


def test_counts_of_no_deployment_are_zero() -> None:
    assert Pods.of(None) == Pods()
    assert not Pods.of(None).complete


def test_reasons_are_words() -> None:
    assert all(reason.value.isalpha() and reason.value[0].isupper() for reason in Reason)


REFUSED = ComponentFault("gpt", "ConnectionRefused", "10.0.0.1:443 refuses connections", "a-1", is_vital=True)
REDIS = ComponentFault("redis", "HostUnknown", "the host name redis does not resolve", "a-1")
RUNNING = ({"metadata": {"name": "a-1"}, "ip": "10.0.0.7"},)
KNOWN = {
    "type": "ComponentsHealthy",
    "status": "False",
    "reason": "ConnectionRefused",
    "message": "gpt: refused",
    "lastTransitionTime": "2025-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("given", "before", "expected"),
    [
        (state(), [], ("Unknown", "NotChecked", "no pod runs")),
        (state(pods=RUNNING), [], ("Unknown", "NotChecked", "the pods have not reported yet")),
        (state(pods=RUNNING), [KNOWN], ("False", "ConnectionRefused", "gpt: refused")),
        (state(pods=RUNNING, components=()), [KNOWN], ("True", "ComponentsHealthy", "all components work")),
        (
            state(pods=RUNNING, components_unknown="pod a-1 does not respond"),
            [KNOWN],
            ("Unknown", "PodsUnreachable", "pod a-1 does not respond"),
        ),
        (
            state(pods=RUNNING, components=(REFUSED, REDIS)),
            [],
            (
                "False",
                "ConnectionRefused",
                f"{REFUSED}; {REDIS}",
            ),
        ),
    ],
)
def test_components_healthy(given: ObservedState, before: list[Any], expected: tuple[str, str, str]) -> None:
    """While a restarted operator knows nothing yet, the condition stays. It does not change Ready."""
    found = {condition["type"]: condition for condition in decide(given, before, NOW)}
    condition = found["ComponentsHealthy"]

    assert (condition["status"], condition["reason"]) == expected[:2]
    assert expected[2] in condition["message"]


def test_a_failing_component_keeps_a_serving_agent_ready() -> None:
    found = decide(state(deployment(**ALL), pods=RUNNING, components=(REFUSED,)), (), NOW)

    assert {it["type"]: it["status"] for it in found if it["type"] in ("Ready", "ComponentsHealthy")} == {
        "Ready": "True",
        "ComponentsHealthy": "False",
    }
