"""A bad revision never replaces a good one, and every retained revision can be restored.

All tests work with pods that run, and with the simulated pods of a cluster without a node.
"""

import json
from typing import Any

from tests.e2e.kubectl import Kubectl, make_agent
from tests.polling import eventually

COMMAND = "agent-operator.dev/rollout"
IMPATIENT = {"progressDeadlineSeconds": 10}
# Python does not start without its standard library.
CRASHES = [{"name": "PYTHONHOME", "value": "/nowhere"}]


def status(kubectl: Kubectl, name: str) -> dict[str, Any]:
    found: dict[str, Any] = kubectl.get("agd", name).get("status", {})
    return found


def good(kubectl: Kubectl, agent: dict[str, Any]) -> str:
    """Apply an agent, and wait until it is ready; return its revision."""
    name = agent["metadata"]["name"]
    kubectl.apply(agent)
    kubectl.wait_for_condition(name, "Ready", "True", "Ready", 90)
    kubectl.wait_for_condition(name, "Progressing", "False", "RolloutComplete", 90)
    revision: str = status(kubectl, name)["lastGoodRevision"]
    return revision


def test_a_missing_image_is_rolled_back(kubectl: Kubectl) -> None:
    first = good(kubectl, make_agent("imaged", rollout=IMPATIENT))

    kubectl.apply(make_agent("imaged", rollout=IMPATIENT, runtime={"image": "nowhere/none:1"}))

    condition = kubectl.wait_for_condition("imaged", "Progressing", "False", "RolledBack", 60)
    assert "ImagePullBackOff" in condition["message"] or "ErrImagePull" in condition["message"]
    kubectl.wait_for_condition("imaged", "Ready", "False", "RolledBack", 60)
    after = status(kubectl, "imaged")
    assert after["revision"] == after["lastGoodRevision"] == first
    assert after["rollout"]["rolledBack"]["reason"] == "ProgressDeadlineExceeded"
    assert kubectl.condition("imaged", "Stalled")["status"] == "True"
    assert kubectl.get("agd", "imaged")["spec"]["runtime"]["image"] == "nowhere/none:1"


def test_a_crashing_revision_is_rolled_back_and_not_retried(kubectl: Kubectl) -> None:
    first = good(kubectl, make_agent("crashing"))

    kubectl.apply(make_agent("crashing", env=CRASHES))

    condition = kubectl.wait_for_condition("crashing", "Progressing", "False", "RolledBack", 60)
    assert "exit code" in condition["message"]
    kubectl.wait_for_condition("crashing", "Ready", "False", "RolledBack", 60)
    assert status(kubectl, "crashing")["revision"] == first

    # An unrelated change is applied, and does not retry the bad revision.
    kubectl.apply(make_agent("crashing", env=CRASHES, replicas=2))
    eventually("two pods are ready", lambda: status(kubectl, "crashing")["ready"] == "2/2")
    assert status(kubectl, "crashing")["revision"] == first

    second = good(kubectl, make_agent("crashing", env=[{"name": "FINE", "value": "yes"}]))
    assert second != first
    assert "rolledBack" not in status(kubectl, "crashing")["rollout"]


def test_the_rollback_annotation_holds_until_the_spec_changes(kubectl: Kubectl) -> None:
    first = good(kubectl, make_agent("pinned", systemPrompt={"text": "One."}))
    second = good(kubectl, make_agent("pinned", systemPrompt={"text": "Two."}))

    kubectl.run("annotate", "agd/pinned", f"{COMMAND}=rollback={first}")

    kubectl.wait_for_condition("pinned", "Ready", "False", "RolledBack", 60)
    pinned = kubectl.get("agd", "pinned")
    assert pinned["status"]["revision"] == first != second
    assert pinned["status"]["rollout"]["rolledBack"]["manual"] is True
    eventually(
        "the annotation is removed",
        lambda: COMMAND not in kubectl.get("agd", "pinned")["metadata"].get("annotations", {}),
    )
    # A GitOps tool that applies the same spec again changes nothing.
    kubectl.apply(make_agent("pinned", systemPrompt={"text": "Two."}))
    kubectl.wait_for_condition("pinned", "Ready", "False", "RolledBack", 60)

    third = good(kubectl, make_agent("pinned", systemPrompt={"text": "Three."}))
    assert third not in (first, second)


def test_an_impossible_rollout_command_emits_an_event(kubectl: Kubectl) -> None:
    good(kubectl, make_agent("commanded"))

    kubectl.run("annotate", "agd/commanded", f"{COMMAND}=rollback=none")

    def events() -> list[str]:
        found = kubectl.list("events", fields="reason=CommandRefused")
        return [event["message"] for event in found]

    (message,) = eventually("the event is emitted", events)
    assert "there is no revision" in message


def canary(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"strategy": "Canary", "progressDeadlineSeconds": 20, "canary": {"steps": list(steps), **more}}


SHORT = {"weight": 50, "pause": {"durationSeconds": 1}}


def test_a_healthy_canary_is_promoted(kubectl: Kubectl) -> None:
    plan = canary({"weight": 34, "pause": {}}, SHORT)
    first = good(kubectl, make_agent("sings", replicas=3, rollout=plan, systemPrompt={"text": "One."}))

    kubectl.apply(make_agent("sings", replicas=3, rollout=plan, systemPrompt={"text": "Two."}))
    kubectl.wait_for_condition("sings", "Progressing", "True", "CanaryPaused", 60)

    assert kubectl.condition("sings", "Ready")["status"] == "False"
    assert kubectl.condition("sings", "Available")["status"] == "True"
    assert kubectl.get("deploy", "sings")["spec"]["replicas"] == 2
    assert kubectl.get("deploy", "sings-canary")["status"]["readyReplicas"] == 1
    assert status(kubectl, "sings")["revision"] == first
    found = kubectl.list("pods", labels="agent-operator.dev/agent=sings")
    pods = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
    revisions = sorted(pod["metadata"]["labels"]["agent-operator.dev/revision"] == first for pod in pods)
    assert revisions == [False, True, True]
    chosen = kubectl.get("svc", "sings")["spec"]["selector"].items()
    assert all(chosen <= pod["metadata"]["labels"].items() for pod in pods)

    kubectl.run("annotate", "agd/sings", f"{COMMAND}=promote")
    kubectl.wait_for_condition("sings", "Progressing", "False", "RolloutComplete", 90)
    after = status(kubectl, "sings")
    assert after["revision"] == after["lastGoodRevision"] == after["rollout"]["target"] != first
    eventually("the canary is deleted", lambda: not kubectl.get("deploy", "sings-canary"))
    assert kubectl.get("deploy", "sings")["spec"]["replicas"] == 3
    assert not kubectl.get("svc", "sings-canary")


def test_a_crashing_canary_is_rolled_back(kubectl: Kubectl) -> None:
    plan = canary(SHORT)
    first = good(kubectl, make_agent("falls", replicas=2, rollout=plan))

    kubectl.apply(make_agent("falls", replicas=2, rollout=plan, env=CRASHES))

    kubectl.wait_for_condition("falls", "Progressing", "False", "RolledBack", 60)
    eventually("the canary is deleted", lambda: not kubectl.get("deploy", "falls-canary"))
    kubectl.wait_for_condition("falls", "Ready", "False", "RolledBack", 60)
    assert status(kubectl, "falls")["revision"] == first
    assert status(kubectl, "falls")["rollout"]["rolledBack"]["reason"] == "CrashLoop"


def test_a_failed_check_rolls_the_canary_back(kubectl: Kubectl) -> None:
    """The echo model repeats the prompt."""
    fine = canary(SHORT, checks=[{"name": "says-blue", "prompt": "Say blue.", "contains": ["blue"]}])
    first = good(kubectl, make_agent("checked", replicas=2, rollout=fine))
    second = make_agent("checked", replicas=2, rollout=fine, systemPrompt={"text": "Two."})
    kubectl.apply(second)
    kubectl.wait_for_condition("checked", "Progressing", "False", "RolloutComplete", 90)
    now = status(kubectl, "checked")["revision"]
    assert now != first

    wrong = canary(SHORT, checks=[{"name": "says-red", "prompt": "Say blue.", "contains": ["red"]}])
    failed_check = {"name": "says-red", "outcome": "failed", "reason": "does not contain red"}
    report = {"passed": False, "total": 1, "failed": 1, "checks": [failed_check]}
    # The report of the checks on a cluster where no process runs.
    env = [{"name": "STAND_IN_REPORT", "value": json.dumps(report)}]
    kubectl.apply(make_agent("checked", replicas=2, rollout=wrong, systemPrompt={"text": "Three."}, env=env))

    condition = kubectl.wait_for_condition("checked", "Progressing", "False", "RolledBack", 90)
    assert "says-red" in condition["message"]
    assert status(kubectl, "checked")["rollout"]["rolledBack"]["reason"] == "ChecksFailed"
    assert status(kubectl, "checked")["revision"] == now


def test_autoscaler_and_disruption_budget_include_the_canary(kubectl: Kubectl) -> None:
    spec = {"autoscaling": {"minReplicas": 3, "maxReplicas": 6}, "rollout": canary({"weight": 25, "pause": {}})}
    good(kubectl, make_agent("scales", **spec))

    # A Deployment starts with one replica; an autoscaler syncs every 15 seconds.
    eventually(
        "the minimum of replicas is ready", lambda: kubectl.get("deploy", "scales")["status"].get("readyReplicas") == 3
    )

    def bounds() -> tuple[int, int]:
        found = kubectl.get("hpa", "scales")["spec"]
        return found["minReplicas"], found["maxReplicas"]

    kubectl.apply(make_agent("scales", **spec, systemPrompt={"text": "Two."}))
    kubectl.wait_for_condition("scales", "Progressing", "True", "CanaryPaused", 60)
    assert bounds() == (2, 5)
    assert kubectl.get("deploy", "scales")["spec"]["replicas"] == 3
    eventually("the budget includes all pods", lambda: kubectl.get("pdb", "scales")["status"]["expectedPods"] == 4)

    kubectl.run("annotate", "agd/scales", f"{COMMAND}=promote")
    kubectl.wait_for_condition("scales", "Progressing", "False", "RolloutComplete", 90)
    eventually("the autoscaler has its bounds again", lambda: bounds() == (3, 6))
    assert kubectl.get("deploy", "scales")["spec"]["replicas"] == 3


def test_history_is_pruned_to_its_limit(kubectl: Kubectl) -> None:
    """A retained revision can be restored with its config."""
    limit = {"revisionHistoryLimit": 2}
    revisions = [
        good(kubectl, make_agent("kept", rollout=limit, systemPrompt={"text": text}))
        for text in ("One.", "Two.", "Three.")
    ]
    assert len(set(revisions)) == 3

    def kept(kind: str) -> int:
        return len(kubectl.list(kind, labels="agent-operator.dev/agent=kept"))

    eventually("the first revision is pruned", lambda: (kept("controllerrevisions"), kept("cm")) == (2, 2))
    kubectl.run("annotate", "agd/kept", f"{COMMAND}=rollback={revisions[1]}")
    kubectl.wait_for_condition("kept", "Ready", "False", "RolledBack", 60)
    volumes = kubectl.get("deploy", "kept")["spec"]["template"]["spec"]["volumes"]
    (config,) = [volume["configMap"]["name"] for volume in volumes if "configMap" in volume]
    assert "Two." in kubectl.get("cm", config)["data"]["system_prompt.txt"]
