"""The steps of the README of the fleet example, and `agentctl channel`, on a local cluster."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "14-fleet"
AGENTS = ("sales", "support", "support-staging")

pytestmark = pytest.mark.kubelet


def versions(cluster: Any) -> dict[str, str]:
    """Return the runtime version of each agent of the example."""
    agents = json.loads(cluster.kubectl("get", "agd", *AGENTS, "-o", "json"))["items"]
    return {agent["metadata"]["name"]: agent["status"].get("runtimeVersion", "") for agent in agents}


def test_the_example_fleet_moves_to_another_version(
    cluster: Any, eventually: Callable[[str, Callable[[], Any]], Any]
) -> None:
    cluster.kubectl("apply", "-f", EXAMPLE)

    def channel(*path: str) -> Any:
        found = json.loads(cluster.agentctl("channel", "status", "stable", "-o", "json").stdout)
        for key in path:
            found = found.get(key) or {}
        return found

    eventually("the first version is complete", lambda: channel("status", "stableVersion") == "0.1.0")
    assert (
        cluster.agentctl("channel", "pause", "stable").stdout
        == "agentruntimechannel.agent-operator.dev/stable paused\n"
    )
    assert channel("spec", "paused") is True
    cluster.kubectl("patch", "arc", "stable", "--type=merge", "-p", '{"spec":{"version":"0.1.1"}}')
    eventually("the channel is paused", lambda: "Paused" in cluster.agentctl("channel", "list").stdout)
    assert set(versions(cluster).values()) == {"0.1.0"}

    assert (
        cluster.agentctl("channel", "resume", "stable").stdout
        == "agentruntimechannel.agent-operator.dev/stable resumed\n"
    )
    eventually("the first wave is updated", lambda: versions(cluster)["support-staging"] == "0.1.1")
    assert versions(cluster)["support"] == "0.1.0"
    cluster.kubectl("wait", "arc/stable", "--for=jsonpath={.status.stableVersion}=0.1.1", "--timeout=120s")
    assert set(versions(cluster).values()) == {"0.1.1"}

    text = cluster.agentctl("channel", "status", "stable").stdout
    assert "3/3 updated, wave 2/2" in text
    assert "staging   1/1" in text
    row = cluster.agentctl("channel", "list").stdout.splitlines()[1].split()
    assert row == ["stable", "0.1.1", "3/3", "2/2", "Complete"]
    listed = json.loads(cluster.agentctl("channel", "list", "-o", "json").stdout)["channels"]
    assert [item["metadata"]["name"] for item in listed] == ["stable"]
    cluster.kubectl("delete", "-f", EXAMPLE, "--wait=false")


def test_a_missing_channel_is_an_error(cluster: Any) -> None:
    for command in ("status", "pause", "resume"):
        done = cluster.agentctl("channel", command, "missing")
        assert done.returncode == 1
        assert (
            done.stderr
            == 'error: AgentRuntimeChannel "missing" not found: list all channels with agentctl channel list\n'
        )
