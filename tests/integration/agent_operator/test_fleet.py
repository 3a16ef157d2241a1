"""A channel upgrades its agents in waves: the operator, real controllers, and simulated pods.

Version `bad` has no image: its pods stay in ImagePullBackOff until the progress deadline, and the agent rolls back.
"""

import asyncio
from typing import Any

import pytest

from agent_operator.codegen import metrics_reference
from agent_operator.manager import gauges
from tests import exposition
from tests.integration.agent_operator.cluster import Cluster
from tests.patience import DEADLINE
from tests.polling import wait_until

pytestmark = [pytest.mark.kubelet]

IMAGES = ("agent-operator/agent-runtime:[0-9]*", "elsewhere/agent-runtime:[0-9]*")
CHANNEL = "AgentRuntimeChannel"
WAVES = [{"name": name, "selector": {"matchLabels": {"wave": name}}, "soakSeconds": 1} for name in ("one", "two")]
AGENTS = {"a1": "one", "a2": "one", "b1": "two", "c1": ""}


class Fleet:
    """A channel `stable` and agents that follow it."""

    def __init__(self, cluster: Cluster) -> None:
        self.api, self.proxy = cluster.api, cluster.proxy

    async def channel(self, **spec: Any) -> None:
        """Create or change the channel."""
        whole = {"apiVersion": "agent-operator.dev/v1alpha1", "kind": CHANNEL, "metadata": {"name": "stable"}}
        params = {"fieldManager": "gitops", "force": "true"}
        body = whole | {"spec": {"version": "1", "waves": WAVES} | spec}
        more = {"content_type": "application/apply-patch+yaml", "params": params}
        await self.api.call("PATCH", self.api.path(CHANNEL, "stable"), body=body, **more)

    async def apply_agent(self, name: str, wave: str, **runtime: Any) -> None:
        """Create an agent with a progress deadline of ten seconds."""
        spec = {
            "config": {"models": [{"name": "echo", "provider": "echo"}]},
            "replicas": 1,
            "runtime": {"channel": "stable"} | runtime,
            "rollout": {"progressDeadlineSeconds": 10},
        }
        meta = {"name": name, "namespace": self.api.namespace, "labels": {"wave": wave} if wave else {}}
        body = {"apiVersion": "agent-operator.dev/v1alpha1", "kind": "AgentDeployment", "metadata": meta, "spec": spec}
        await self.api.create("AgentDeployment", body)

    async def status(self) -> dict[str, Any]:
        """The channel's status."""
        return (await self.api.get(CHANNEL, "stable")).get("status") or {}

    async def reason(self) -> str:
        """The reason of the condition Ready of the current generation."""
        found = await self.api.get(CHANNEL, "stable")
        conditions = (found.get("status") or {}).get("conditions") or ()
        return next(
            (
                item["reason"]
                for item in conditions
                if item["type"] == "Ready" and item["observedGeneration"] == found["metadata"]["generation"]
            ),
            "",
        )

    async def wait_for_reason(self, reason: str, seconds: float = DEADLINE) -> dict[str, Any]:
        """Wait until the condition Ready has a reason; return the status."""

        async def has_reason() -> bool:
            return await self.reason() == reason

        try:
            await wait_until(has_reason, seconds)
        except TimeoutError:
            pytest.fail(f"no {reason}: {await self.status()} {await self.versions()}")
        return await self.status()

    async def versions(self) -> dict[str, str]:
        """The version that each agent's Deployment runs."""
        found = await self.api.list("Deployment")
        images = {
            item["metadata"]["name"]: item["spec"]["template"]["spec"]["containers"][0]["image"] for item in found
        }
        return {name: image.rpartition(":")[2] for name, image in images.items()}

    async def events(self) -> list[str]:
        """Reasons of the Events about the channel, in order."""
        found = await self.api.list("Event", "default")
        about = [item for item in found if item["regarding"]["kind"] == CHANNEL]
        return [item["reason"] for item in sorted(about, key=lambda item: item["eventTime"])]


@pytest.fixture
async def fleet(cluster: Cluster) -> Fleet:
    """Four agents in three waves that are not reconciled yet."""
    fleet = Fleet(cluster)
    await fleet.channel()
    for name, wave in AGENTS.items():
        await fleet.apply_agent(name, wave)
    return fleet


def operator(cluster: Cluster) -> Any:
    return cluster.operator(namespaces=())


async def test_a_version_rolls_out_in_three_waves_and_converges(cluster: Cluster, fleet: Fleet) -> None:
    async with operator(cluster):
        status = await fleet.wait_for_reason("Complete")
        assert status["stableVersion"] == "1"
        assert await fleet.versions() == dict.fromkeys(AGENTS, "1")
        await fleet.channel(version="2")

        async def second_wave_started() -> bool:
            return (await fleet.versions()).get("b1") == "2"

        await wait_until(second_wave_started)
        assert (await fleet.versions())["c1"] == "1", "its wave waits"
        status = await fleet.wait_for_reason("Complete")
        assert status["summary"] == "4/4 updated, wave 3/3"
        assert await fleet.versions() == dict.fromkeys(AGENTS, "2")

        async def events_are_emitted() -> bool:
            return (await fleet.events())[-8:] == ["RollingOut", *["WaveStarted", "WaveHealthy"] * 3, "Complete"]

        await wait_until(events_are_emitted)
        await asyncio.sleep(1)
        writes = len(cluster.proxy.writes)
        await asyncio.sleep(2)
        assert len(cluster.proxy.writes) == writes, cluster.proxy.writes[writes:]


async def test_a_bad_version_halts_in_the_first_wave_and_can_be_reverted(cluster: Cluster, fleet: Fleet) -> None:
    async with operator(cluster) as controller:
        await fleet.wait_for_reason("Complete")
        await fleet.channel(version="bad")
        status = await fleet.wait_for_reason("Halted")

        failed = [f"{cluster.api.namespace}/{name}" for name in ("a1", "a2")]
        assert status["waves"][1]["phase"] == status["waves"][2]["phase"] == "Waiting"
        assert status["waves"][0]["phase"] == "Halted"
        assert set(status["failedAgents"]) <= set(failed)
        assert "failed: " in status["summary"]
        for name in ("b1", "c1"):
            given = (await cluster.api.get("AgentDeployment", name))["status"]["channel"]
            assert given["version"] == "1"
        assert controller._fleet.halted_channels() == {"stable": 1.0}
        text = controller.metrics.exposition()[0].decode()
        assert exposition.compare(text, metrics_reference.of_operator()) == {gauges.PENDING_CHANGES.name}
        assert 'agent_operator_channel_halted{channel="stable"} 1.0' in text

        async def rolled_back() -> bool:
            return await fleet.versions() == dict.fromkeys(AGENTS, "1")

        await wait_until(rolled_back)
        await fleet.channel(version="1")
        status = await fleet.wait_for_reason("Complete")
        assert status["failed"] == 0
        assert not [item for item in status["conditions"] if item["type"] in ("Halted", "Stalled")]

        async def events_are_emitted() -> bool:
            return "Halted" in await fleet.events()

        await wait_until(events_are_emitted)


async def test_a_restarted_operator_resumes_the_rollout_of_a_channel(cluster: Cluster, fleet: Fleet) -> None:
    async with operator(cluster):
        await fleet.wait_for_reason("Complete")
    async with operator(cluster):
        await fleet.channel(version="2")

        async def has_started() -> bool:
            return "2" in (await fleet.versions()).values()

        await wait_until(has_started)
    before = await fleet.versions()
    assert before["b1"] == before["c1"] == "1"
    async with operator(cluster):
        await fleet.wait_for_reason("Complete")

    assert await fleet.versions() == dict.fromkeys(AGENTS, "2")


async def test_a_channel_can_be_paused_and_edited_during_a_rollout(cluster: Cluster, fleet: Fleet) -> None:
    async with operator(cluster):
        await fleet.wait_for_reason("Complete")
        await fleet.channel(version="2", waves=[WAVES[0] | {"soakSeconds": 3600}, WAVES[1]])
        await fleet.wait_for_reason("Soaking")
        await fleet.channel(version="2", paused=True)
        await fleet.wait_for_reason("Paused")
        assert await fleet.versions() == {"a1": "2", "a2": "2", "b1": "1", "c1": "1"}

        await fleet.channel(version="3")
        await fleet.wait_for_reason("Complete")
        assert await fleet.versions() == dict.fromkeys(AGENTS, "3")


async def test_agents_can_join_leave_pin_and_change_their_image(cluster: Cluster, fleet: Fleet) -> None:
    async with operator(cluster):
        await fleet.wait_for_reason("Complete")
        await fleet.apply_agent("new", "two")
        await fleet.apply_agent("pinned", "two", version="1")
        await cluster.api.wait_for_reason("Ready", "Ready", "new")
        await cluster.api.merge("AgentDeployment", "a1", {"spec": {"runtime": {"version": "1"}}})
        await cluster.api.delete("AgentDeployment", "a2")
        await fleet.channel(version="2", image="elsewhere/agent-runtime")
        await fleet.wait_for_reason("Complete")

        assert (await fleet.status())["summary"] == "3/3 updated, wave 3/3"
        versions = await fleet.versions()
        assert (versions["a1"], versions["pinned"], versions["new"]) == ("1", "1", "2")

        async def is_unassigned() -> bool:
            return "channel" not in (await cluster.api.get("AgentDeployment", "a1"))["status"]

        await wait_until(is_unassigned)


async def test_an_agent_of_a_missing_channel_runs_with_a_warning(cluster: Cluster) -> None:
    fleet = Fleet(cluster)
    async with operator(cluster):
        await cluster.api.apply_agent("lost", runtime={"channel": "stable"}, replicas=1)
        await cluster.api.wait_for_reason("Warning", "ChannelMissing", "lost")
        await fleet.channel(version="1")
        await fleet.wait_for_reason("Complete")

        async def content() -> bool:
            return (await cluster.api.condition("Warning", "lost")).get("reason") != "ChannelMissing"

        await wait_until(content)
