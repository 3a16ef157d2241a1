"""The fleet example as its README tells it, and agentctl beside it, with real pods on a local cluster."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "14-fleet"
AGENTS = ("sales", "support", "support-staging")

pytestmark = pytest.mark.kubelet


def versions(cluster: Any) -> dict[str, str]:
    """What the agents of the example run."""
    found = json.loads(cluster.kubectl("get", "agd", *AGENTS, "-o", "json"))["items"]
    return {it["metadata"]["name"]: it["status"].get("runtimeVersion", "") for it in found}


def test_the_example_fleet_moves_to_another_version(
    cluster: Any, eventually: Callable[[str, Callable[[], Any]], Any]
) -> None:
    cluster.kubectl("apply", "-f", EXAMPLE)

    def channel(*path: str) -> Any:
        found = json.loads(cluster.agentctl("channel", "status", "stable", "-o", "json").stdout)
        for key in path:
            found = found.get(key) or {}
        return found

    eventually("the first version", lambda: channel("status", "stableVersion") == "0.1.0")
    assert cluster.agentctl("channel", "pause", "stable").stdout == "channel stable is paused\n"
    assert channel("spec", "paused") is True
    cluster.kubectl("patch", "arc", "stable", "--type=merge", "-p", '{"spec":{"version":"0.1.1"}}')
    eventually("a pause", lambda: "Paused" in cluster.agentctl("channel", "list").stdout)
    assert set(versions(cluster).values()) == {"0.1.0"}

    assert cluster.agentctl("channel", "resume", "stable").stdout == "channel stable is resumed\n"
    eventually("staging", lambda: versions(cluster)["support-staging"] == "0.1.1")
    assert versions(cluster)["support"] == "0.1.0"
    cluster.kubectl("wait", "arc/stable", "--for=jsonpath={.status.stableVersion}=0.1.1", "--timeout=120s")
    assert set(versions(cluster).values()) == {"0.1.1"}

    told = cluster.agentctl("channel", "status", "stable").stdout
    assert "3/3 updated, wave 2/2" in told
    assert "staging  1/1" in told
    row = cluster.agentctl("channel", "list").stdout.splitlines()[1].split()
    assert row == ["stable", "0.1.1", "3/3", "2/2", "Complete"]
    listed = json.loads(cluster.agentctl("channel", "list", "-o", "json").stdout)["channels"]
    assert [it["metadata"]["name"] for it in listed] == ["stable"]
    cluster.kubectl("delete", "-f", EXAMPLE, "--wait=false")


def test_a_missing_channel_is_an_error(cluster: Any) -> None:
    for command in ("status", "pause", "resume"):
        done = cluster.agentctl("channel", command, "nobody")
        assert done.returncode == 1
        assert done.stderr == "error: no AgentRuntimeChannel nobody there: agentctl channel list tells what is\n"
