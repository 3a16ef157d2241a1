"""The commands for revisions and rollouts: history, diff, rollback, retry, and the steps of a canary."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests import fast_yaml as yaml

pytestmark = pytest.mark.kubelet

UNTIL_PROMOTED = {"strategy": "Canary", "canary": {"steps": [{"weight": 50, "pause": {}}]}}
Agentctl = Callable[..., Any]
ApplyAgent = Callable[..., None]
WaitForRollout = Callable[[str], str]


@pytest.fixture(scope="module")
def apply_agent(cluster: Any) -> ApplyAgent:
    """Apply an agent with a prompt and additional fields of the spec."""

    def apply(name: str, prompt: str, **spec: Any) -> None:
        body = {
            "apiVersion": "agent-operator.dev/v1alpha1",
            "kind": "AgentDeployment",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"replicas": 1, "systemPrompt": {"text": prompt}}
            | {"config": {"models": [{"name": "echo", "provider": "echo"}]}}
            | spec,
        }
        path = cluster.directory / f"{name}.yaml"
        path.write_text(yaml.safe_dump(body), encoding="utf-8")
        cluster.kubectl("apply", "-f", path)

    return apply


@pytest.fixture(autouse=True)
def _kubeconfig(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))


@pytest.fixture
def wait_for_rollout(agentctl: Agentctl) -> WaitForRollout:
    """Wait until the rollout of an agent is complete, and return the running revision."""

    def wait(name: str) -> str:
        done = agentctl("rollout", "status", name, "--watch", "--timeout", "80")
        assert done.returncode == 0, done.stdout + done.stderr
        return str(rollout_status(agentctl, name)["revision"])

    return wait


def rollout_status(agentctl: Agentctl, name: str) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(agentctl("rollout", "status", name, "-o", "json").stdout)
    return status


def read_revisions(agentctl: Agentctl, name: str) -> list[dict[str, Any]]:
    revisions: list[dict[str, Any]] = json.loads(agentctl("history", name, "-o", "json").stdout)["revisions"]
    return revisions


@pytest.fixture
def revisions(agentctl: Agentctl, apply_agent: ApplyAgent, wait_for_rollout: WaitForRollout) -> tuple[str, str]:
    """The names of the two revisions of the agent `twice`, which runs the second."""
    if agentctl("history", "twice").returncode:
        apply_agent("twice", "One.")
        first = wait_for_rollout("twice")
        apply_agent("twice", "Two.")
        return first, wait_for_rollout("twice")
    first, second = (entry["revision"] for entry in read_revisions(agentctl, "twice"))
    return first, second


def test_the_history_lists_the_parts_that_each_revision_changed(agentctl: Agentctl, revisions: tuple[str, str]) -> None:
    head, first, second = (line.split() for line in agentctl("history", "twice").stdout.splitlines())

    assert head == ["REVISION", "NUMBER", "VERSION", "STATE", "AGE", "CHANGES"]
    assert (first[0], first[1], second[0], second[1]) == (revisions[0], "1", revisions[1], "2")
    assert (second[3], second[-1]) == ("running", "prompt")
    listed = json.loads(agentctl("history", "twice", "-o", "json").stdout)
    assert listed["agent"] == "default/twice"
    assert [entry["changes"] for entry in listed["revisions"]] == [[], ["prompt"]]


def test_one_revision_is_shown_with_config_and_prompt(agentctl: Agentctl, revisions: tuple[str, str]) -> None:
    text = agentctl("history", "twice", "--revision", "1").stdout
    data = json.loads(agentctl("history", "twice", "--revision", revisions[0], "-o", "json").stdout)

    assert "\n--- system_prompt.txt\nOne.\n" in text
    assert "\n--- agent.toml\n[agent]\n" in text
    assert data["config"]["system_prompt.txt"] == "One."
    assert data["template"]["spec"]["containers"][0]["image"] == data["image"]


def test_a_diff_compares_with_the_running_revision_by_default(
    cluster: Any, agentctl: Agentctl, revisions: tuple[str, str]
) -> None:
    to_running = agentctl("diff", "twice", "1")
    to_first = agentctl("diff", "twice", revisions[1], revisions[0])
    same = agentctl("diff", "twice", "2")

    assert to_running.stdout.splitlines()[2:] == ["@@ -1 +1 @@", "-One.", "+Two."]
    assert to_first.stdout.splitlines()[2:] == ["@@ -1 +1 @@", "-Two.", "+One."]
    assert (same.returncode, same.stdout) == (0, "")
    assert cluster.kubectl("agent", "diff", "twice", "1") == to_running.stdout


def test_the_error_for_an_unknown_revision_lists_the_existing_ones(
    agentctl: Agentctl, revisions: tuple[str, str]
) -> None:
    for command in (
        ("diff", "twice", "nine"),
        ("history", "twice", "--revision", "9"),
        ("rollback", "twice", "--to", "9"),
    ):
        done = agentctl(*command)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"existing revisions are {revisions[0]} (1), {revisions[1]} (2)" in done.stderr


def test_rollback_and_retry_change_the_running_revision(
    cluster: Any, agentctl: Agentctl, apply_agent: ApplyAgent, wait_for_rollout: WaitForRollout
) -> None:
    apply_agent("pinned", "One.")
    first = wait_for_rollout("pinned")
    apply_agent("pinned", "Two.")
    second = wait_for_rollout("pinned")

    done = agentctl("rollback", "pinned")

    assert done.returncode == 0, done.stderr
    assert f"revision {first} runs instead of {second} until the spec changes" in done.stdout
    assert wait_for_rollout("pinned") == first
    assert [entry["state"] for entry in read_revisions(agentctl, "pinned")] == ["running", "rolled back: manually"]
    assert agentctl("retry", "pinned").returncode == 0
    assert wait_for_rollout("pinned") == second
    submitted = cluster.kubectl("agent", "rollback", "pinned", "--to", "1", "--no-wait")
    assert submitted == f'rollout command "rollback={first}" submitted\n'


def test_the_reason_of_the_operator_is_printed_for_each_refused_command(
    agentctl: Agentctl, revisions: tuple[str, str]
) -> None:
    for command in (("promote", "--full"), ("retry",)):
        done = agentctl(command[0], "twice", *command[1:])
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"error: {command[0]}")


def test_a_suspended_agent_accepts_no_command(agentctl: Agentctl, apply_agent: ApplyAgent) -> None:
    apply_agent("asleep", "One.", suspend=True)

    done = agentctl("rollback", "asleep")

    assert (done.returncode, done.stderr) == (1, "error: asleep is suspended: set spec.suspend to false first\n")
    assert agentctl("history", "asleep").stderr == (
        "error: asleep has no revisions yet: run agentctl status asleep to see why\n"
    )


def test_a_canary_can_be_aborted_retried_and_promoted(
    agentctl: Agentctl, apply_agent: ApplyAgent, wait_for_rollout: WaitForRollout, eventually: Any
) -> None:
    apply_agent("birds", "One.", rollout=UNTIL_PROMOTED)
    first = wait_for_rollout("birds")
    apply_agent("birds", "Two.", rollout=UNTIL_PROMOTED)
    eventually("the canary waits", lambda: rollout_status(agentctl, "birds")["verdict"] == "waiting")
    shown = agentctl("rollout", "status", "birds")
    assert shown.returncode == 0
    assert f"birds runs revision {first}" in shown.stdout
    assert "until promoted" in shown.stdout
    assert "canary 50 %" in agentctl("history", "birds").stdout

    assert agentctl("abort", "birds").returncode == 0
    ended = agentctl("rollout", "status", "birds", "--watch", "--timeout", "80")
    assert ended.returncode == 1
    assert "Aborted" in ended.stdout
    assert rollout_status(agentctl, "birds")["revision"] == first

    assert agentctl("retry", "birds").returncode == 0
    eventually("the canary waits again", lambda: rollout_status(agentctl, "birds")["verdict"] == "waiting")
    assert agentctl("promote", "birds").returncode == 0
    assert wait_for_rollout("birds") != first
