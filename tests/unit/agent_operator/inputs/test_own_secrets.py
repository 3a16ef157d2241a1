"""The operator's own Secret is read by name, and only where there can be one."""

from typing import Any

import pytest

from agent_operator.inputs.own_secrets import OwnSecrets
from agent_operator.kube.objects import Key, Ref, pack

KEY = Key("team", "bot")
TARGET = Ref("Secret", "team", "bot-secrets")
WANTED = {"spec": {"credentials": {"values": {"A": "b"}}}}
LISTED = {"spec": {}, "status": {"children": [{"kind": "Secret", "name": "bot-secrets"}]}}
LIFETIME = 45.0


class Fake:
    """A Cluster with one Secret, or none, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.secret: dict[str, Any] | None = secret("bot")
        self.read: list[Ref] = []

    async def find(self, target: Ref, _version: str) -> dict[str, Any] | None:
        self.read.append(target)
        return self.secret


def secret(agent: str) -> dict[str, Any]:
    meta = {"name": "bot-secrets", "namespace": "team", "uid": "s", "resourceVersion": "5"}
    return {"metadata": meta | {"labels": {"agent-operator.dev/agent": agent}}, "data": {"A": "Yg=="}}


@pytest.fixture
def cluster() -> Fake:
    return Fake()


@pytest.fixture
def own(cluster: Any) -> OwnSecrets:
    return OwnSecrets(cluster, lambda: cluster.now, LIFETIME)


async def test_an_agent_without_one_costs_no_call(own: OwnSecrets, cluster: Fake) -> None:
    others = [{"kind": "Secret", "name": "another"}, {"kind": "Service", "name": "bot-secrets"}]
    agents: list[dict[str, Any]] = [
        {"spec": {}},
        {"spec": {"credentials": {"secretRef": {}}}, "status": {"children": others}},
    ]
    for agent in agents:
        assert await own.look(KEY, agent) is None
    assert cluster.read == []


@pytest.mark.parametrize("agent", [WANTED, LISTED], ids=["wanted", "left of an older spec"])
async def test_it_is_read_once_in_its_time(own: OwnSecrets, cluster: Fake, agent: Any) -> None:
    for _ in range(3):
        assert await own.look(KEY, agent) == {TARGET: pack("Secret", secret("bot"))}
    cluster.now += LIFETIME
    await own.look(KEY, agent)
    assert cluster.read == [TARGET] * 2


async def test_one_that_is_missing_or_of_somebody_else_is_none_of_ours(own: OwnSecrets, cluster: Fake) -> None:
    for found in (None, secret("another")):
        cluster.secret = found
        assert await own.look(KEY, WANTED) == {}
    cluster.secret = secret("bot")
    assert await own.look(KEY, WANTED)


async def test_what_was_written_need_not_be_read(own: OwnSecrets, cluster: Fake) -> None:
    live = pack("Secret", secret("bot"))
    own.wrote(TARGET, live)
    assert await own.look(KEY, WANTED) == {TARGET: live}
    assert cluster.read == []
    own.deleted(TARGET)
    await own.look(KEY, WANTED)
    assert cluster.read == [TARGET]


async def test_it_is_where_the_children_are(own: OwnSecrets, cluster: Fake) -> None:
    await own.find(KEY, {"spec": {"namespace": {"name": "own"}}})
    assert cluster.read == [Ref("Secret", "own", "bot-secrets")]
