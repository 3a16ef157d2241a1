"""A rollout by agentctl: what is kept, what differs, back and forth, and a canary by hand."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests import fast_yaml as yaml

pytestmark = pytest.mark.kubelet

UNTIL_PROMOTED = {"strategy": "Canary", "canary": {"steps": [{"weight": 50, "pause": {}}]}}
Agentctl = Callable[..., Any]
Applied = Callable[..., None]


@pytest.fixture(scope="module")
def applied(cluster: Any) -> Applied:
    """Apply an agent with a prompt."""

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
def complete(agentctl: Agentctl) -> Callable[[str], str]:
    """Wait until an agent's rollout is complete; return the revision that runs."""

    def wait(name: str) -> str:
        done = agentctl("rollout", "status", name, "--watch", "--timeout", "80")
        assert done.returncode == 0, done.stdout + done.stderr
        return str(stands(agentctl, name)["revision"])

    return wait


def stands(agentctl: Agentctl, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(agentctl("rollout", "status", name, "-o", "json").stdout)
    return found


@pytest.fixture
def twice(agentctl: Agentctl, applied: Applied, complete: Callable[[str], str]) -> tuple[str, str]:
    """The revisions of the agent `twice`: its second runs."""
    kept = agentctl("history", "twice", "-o", "json")
    if kept.returncode:
        applied("twice", "One.")
        first = complete("twice")
        applied("twice", "Two.")
        return first, complete("twice")
    first, second = (it["revision"] for it in json.loads(kept.stdout)["revisions"])
    return first, second


def test_history_shows_what_each_revision_changed(agentctl: Agentctl, twice: tuple[str, str]) -> None:
    head, first, second = (line.split() for line in agentctl("history", "twice").stdout.splitlines())

    assert head == ["REVISION", "NUMBER", "VERSION", "STATE", "AGE", "CHANGES"]
    assert (first[0], first[1], second[0], second[1]) == (twice[0], "1", twice[1], "2")
    assert (second[3], second[-1]) == ("running", "prompt")
    listed = json.loads(agentctl("history", "twice", "-o", "json").stdout)
    assert listed["agent"] == "default/twice"
    assert [it["changes"] for it in listed["revisions"]] == [[], ["prompt"]]


def test_a_revision_is_shown_with_config_and_prompt(agentctl: Agentctl, twice: tuple[str, str]) -> None:
    told = agentctl("history", "twice", "--revision", "1").stdout
    found = json.loads(agentctl("history", "twice", "--revision", twice[0], "-o", "json").stdout)

    assert "\n--- system_prompt.txt\nOne.\n" in told
    assert "\n--- agent.toml\n[agent]\n" in told
    assert found["config"]["system_prompt.txt"] == "One."
    assert found["template"]["spec"]["containers"][0]["image"] == found["image"]


def test_a_diff_is_against_the_running_revision_by_default(
    cluster: Any, agentctl: Agentctl, twice: tuple[str, str]
) -> None:
    first = agentctl("diff", "twice", "1")
    back = agentctl("diff", "twice", twice[1], twice[0])
    same = agentctl("diff", "twice", "2")

    assert first.stdout.splitlines()[2:] == ["@@ -1 +1 @@", "-One.", "+Two."]
    assert back.stdout.splitlines()[2:] == ["@@ -1 +1 @@", "-Two.", "+One."]
    assert (same.returncode, same.stdout) == (0, "")
    assert cluster.kubectl("agent", "diff", "twice", "1") == first.stdout


def test_an_unknown_revision_is_rejected_with_the_known_ones(agentctl: Agentctl, twice: tuple[str, str]) -> None:
    for command in (
        ("diff", "twice", "nine"),
        ("history", "twice", "--revision", "9"),
        ("rollback", "twice", "--to", "9"),
    ):
        done = agentctl(*command)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"kept are {twice[0]} (1), {twice[1]} (2)" in done.stderr


def test_rollback_returns_to_the_previous_revision(
    cluster: Any, agentctl: Agentctl, applied: Applied, complete: Callable[[str], str]
) -> None:
    applied("pinned", "One.")
    first = complete("pinned")
    applied("pinned", "Two.")
    second = complete("pinned")

    back = agentctl("rollback", "pinned")

    assert back.returncode == 0, back.stderr
    assert f"revision {first} runs instead of {second} until the spec changes" in back.stdout
    assert complete("pinned") == first
    states = [it["state"] for it in json.loads(agentctl("history", "pinned", "-o", "json").stdout)["revisions"]]
    assert states == ["running", "left by hand"]
    assert agentctl("retry", "pinned").returncode == 0
    assert complete("pinned") == second
    told = cluster.kubectl("agent", "rollback", "pinned", "--to", "1", "--no-wait")
    assert told == f"pinned was told: rollback={first}\n"


def test_a_rejected_command_shows_the_reason_of_the_operator(agentctl: Agentctl, twice: tuple[str, str]) -> None:
    for command in (("promote", "--full"), ("retry",)):  # an earlier refusal is not taken for this one's
        done = agentctl(command[0], "twice", *command[1:])
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"error: {command[0]}")


def test_a_suspended_agent_rejects_commands(agentctl: Agentctl, applied: Applied) -> None:
    applied("asleep", "One.", suspend=True)

    done = agentctl("rollback", "asleep")

    assert (done.returncode, done.stderr) == (1, "error: asleep is suspended: set spec.suspend to false first\n")
    assert agentctl("history", "asleep").stderr == (
        "error: asleep has no revisions yet: agentctl status asleep tells why\n"
    )


def test_a_canary_is_aborted_retried_and_promoted(
    agentctl: Agentctl, applied: Applied, complete: Callable[[str], str], eventually: Any
) -> None:
    applied("birds", "One.", rollout=UNTIL_PROMOTED)
    first = complete("birds")
    applied("birds", "Two.", rollout=UNTIL_PROMOTED)
    eventually("the canary waits", lambda: stands(agentctl, "birds")["verdict"] == "waiting")
    shown = agentctl("rollout", "status", "birds")
    assert shown.returncode == 0
    assert f"birds runs revision {first}" in shown.stdout
    assert "until promoted" in shown.stdout
    assert "canary 50 %" in agentctl("history", "birds").stdout

    assert agentctl("abort", "birds").returncode == 0
    ended = agentctl("rollout", "status", "birds", "--watch", "--timeout", "80")
    assert ended.returncode == 1
    assert "Aborted" in ended.stdout
    assert stands(agentctl, "birds")["revision"] == first

    assert agentctl("retry", "birds").returncode == 0
    eventually("the canary waits again", lambda: stands(agentctl, "birds")["verdict"] == "waiting")
    assert agentctl("promote", "birds").returncode == 0
    assert complete("birds") != first
