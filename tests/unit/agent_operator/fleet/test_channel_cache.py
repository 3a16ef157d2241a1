"""The cache of channels."""

from typing import Any

from agent_operator.fleet.channel_cache import ChannelCache
from agent_operator.kube.objects import Key, Ref
from agent_operator.kube.unreadable import UnreadableObjects

KIND = "AgentRuntimeChannel"


def channel(version: int, uid: str = "u", name: str = "stable") -> dict[str, Any]:
    meta = {"name": name, "uid": uid, "resourceVersion": str(version), "managedFields": [{}]}
    return {"metadata": meta, "spec": {"version": "1"}}


def test_only_newer_versions_change_the_cache() -> None:
    channels = ChannelCache(UnreadableObjects())

    assert channels.observe(KIND, "ADDED", channel(5)) == Key("", "stable")
    assert channels.observe(KIND, "MODIFIED", channel(5)) is None
    assert channels.observe(KIND, "MODIFIED", channel(4)) is None
    assert channels.observe(KIND, "MODIFIED", channel(6)) == Key("", "stable")
    assert "managedFields" not in (channels.get("stable") or {})["metadata"]


def test_deleted_channel_is_removed_unless_it_was_recreated() -> None:
    channels = ChannelCache(UnreadableObjects())
    channels.observe(KIND, "ADDED", channel(5, "new"))

    assert channels.observe(KIND, "DELETED", channel(9, "old")) is None
    assert channels.get("stable")
    assert channels.observe(KIND, "DELETED", channel(9, "new")) == Key("", "stable")
    assert list(channels) == []


def test_retain_removes_channels_that_are_not_listed() -> None:
    channels = ChannelCache(UnreadableObjects())
    channels.observe(KIND, "ADDED", channel(5))
    channels.observe(KIND, "ADDED", channel(6, name="canary"))

    assert channels.retain(KIND, (), {Ref(KIND, "", "canary")}) == {Key("", "stable")}
    assert [it["metadata"]["name"] for it in channels] == ["canary"]
