"""The Secret that the operator creates is read by name, and only if it can exist."""

from typing import Any

import pytest

from agent_operator.inputs.own_secrets import OwnSecrets
from agent_operator.inputs.reference_cache import MAX_BYTES
from agent_operator.kube.objects import Key, Live, Ref, pack

KEY = Key("team", "bot")
TARGET = Ref("Secret", "team", "bot-secrets")
AGENT = {"metadata": {"uid": "u"}}
DESIRED = AGENT | {"spec": {"credentials": {"values": {"A": "b"}}}}
LISTED = AGENT | {"spec": {}, "status": {"children": [{"kind": "Secret", "name": "bot-secrets"}]}}
LIFETIME = 45.0


class FakeCluster:
    """A Cluster with at most one Secret, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.secret: dict[str, Any] | None = secret("bot")
        self.read: list[Ref] = []

    async def find(self, target: Ref, _version: str) -> dict[str, Any] | None:
        self.read.append(target)
        return self.secret


def secret(agent: str, owner: str = "u") -> dict[str, Any]:
    meta = {"name": "bot-secrets", "namespace": "team", "uid": "s", "resourceVersion": "5"}
    return {
        "metadata": meta | {"labels": {"agent-operator.dev/agent": agent, "agent-operator.dev/owner-uid": owner}},
        "data": {"A": "Yg=="},
    }


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def own_secrets(cluster: Any) -> OwnSecrets:
    return OwnSecrets(cluster, lambda: cluster.now, LIFETIME)


async def test_agent_without_a_secret_needs_no_request(own_secrets: OwnSecrets, cluster: FakeCluster) -> None:
    others = [{"kind": "Secret", "name": "another"}, {"kind": "Service", "name": "bot-secrets"}]
    agents: list[dict[str, Any]] = [
        AGENT | {"spec": {}},
        AGENT | {"spec": {"credentials": {"secretRef": {}}}, "status": {"children": others}},
    ]
    for agent in agents:
        assert await own_secrets.get(KEY, agent) is None
    assert cluster.read == []


@pytest.mark.parametrize("agent", [DESIRED, LISTED], ids=["desired", "left of an older spec"])
async def test_secret_is_read_once_within_the_lifetime_of_the_cache(
    own_secrets: OwnSecrets, cluster: FakeCluster, agent: Any
) -> None:
    for _ in range(3):
        assert await own_secrets.get(KEY, agent) == {TARGET: pack("Secret", secret("bot"))}
    cluster.now += LIFETIME
    await own_secrets.get(KEY, agent)
    assert cluster.read == [TARGET] * 2


async def test_missing_or_foreign_secret_is_not_returned(own_secrets: OwnSecrets, cluster: FakeCluster) -> None:
    for found in (None, secret("another")):
        cluster.secret = found
        assert await own_secrets.get(KEY, DESIRED) == {}
    cluster.secret = secret("bot")
    assert await own_secrets.get(KEY, DESIRED)


async def test_written_secret_is_cached_until_it_is_deleted(own_secrets: OwnSecrets, cluster: FakeCluster) -> None:
    live = pack("Secret", secret("bot"))
    own_secrets.record_write(TARGET, live)
    assert await own_secrets.get(KEY, DESIRED) == {TARGET: live}
    assert cluster.read == []
    own_secrets.record_delete(TARGET)
    await own_secrets.get(KEY, DESIRED)
    assert cluster.read == [TARGET]


async def test_the_secret_of_a_deleted_agent_of_the_same_name_is_not_cached(
    own_secrets: OwnSecrets, cluster: FakeCluster
) -> None:
    """The garbage collector deletes it soon. Neither a former read nor a former write hides that."""
    own_secrets.record_write(TARGET, pack("Secret", secret("bot", "former")))
    for owner in ("former", "former", "u", "u"):
        cluster.secret = secret("bot", owner)
        assert await own_secrets.get(KEY, DESIRED) == {TARGET: pack("Secret", cluster.secret)}
    assert cluster.read == [TARGET] * 3


async def test_secret_is_in_the_namespace_of_the_children(own_secrets: OwnSecrets, cluster: FakeCluster) -> None:
    await own_secrets.find(KEY, {"spec": {"namespace": {"name": "own"}}})
    assert cluster.read == [Ref("Secret", "own", "bot-secrets")]


async def test_the_cache_is_limited_in_bytes(own_secrets: OwnSecrets, cluster: FakeCluster) -> None:
    """The oldest Secrets are read again."""
    large = Live("s", 5, b"x" * (MAX_BYTES // 4 + 1), 0, owner="u")
    own_secrets.record_write(TARGET, large)
    assert await own_secrets.get(KEY, DESIRED) == {TARGET: large}
    for number in range(3):
        own_secrets.record_write(Ref("Secret", "team", f"other-{number}"), large)
    await own_secrets.get(KEY, DESIRED)
    assert cluster.read == [TARGET]
