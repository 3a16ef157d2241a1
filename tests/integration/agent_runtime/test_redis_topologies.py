"""Sessions in a Redis with Sentinels, in a Redis Cluster, and behind TLS, ACL users and Microsoft Entra ID."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent_runtime.config import CacheConfig
from agent_runtime.environment import Environment, read
from agent_runtime.health import UnhealthyError
from agent_runtime.memory.base import turn
from agent_runtime.memory.redis import RedisStore
from tests.integration.agent_runtime.certificate import write_certificate
from tests.integration.agent_runtime.conftest import CANARIES, ECHO, AgentProcess, StartAgent, agent_toml
from tests.integration.agent_runtime.processes import ModelServer, RedisServer
from tests.integration.agent_runtime.redis_topologies import RedisCluster, Sentinels
from tests.patience import free_port
from tests.polling import eventually

NOTHING = Environment()


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    topology = Sentinels(tmp_path)
    yield topology
    topology.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    topology = RedisCluster(tmp_path)
    yield topology
    topology.stop()


def sentinel_cache(sentinels: Sentinels) -> CacheConfig:
    addresses = (f"127.0.0.1:{free_port()}", f"127.0.0.1:{sentinels.port}")
    return CacheConfig.model_validate({"sentinel": {"master": "mymaster", "hosts": addresses}})


async def say(store: RedisStore, session: str, *messages: str) -> None:
    for message in messages:
        await store.append(session, turn(message, message))


async def contents(store: RedisStore, session: str) -> list[str]:
    return [str(one["messages"][0]["content"]) for one in await store.history(session)]


async def recovered(store: RedisStore) -> None:
    """Probe the store every second, as Health does, until it is healthy."""
    for _ in range(60):
        try:
            await store.probe()
        except UnhealthyError:
            await asyncio.sleep(1)
        else:
            return
    raise AssertionError("Redis is not healthy")


async def test_sentinels_name_the_primary_after_a_failover(sentinels: Sentinels) -> None:
    """The old primary stays up as a replica. Turns are written to the new primary, and none is lost."""
    store = RedisStore(sentinel_cache(sentinels), NOTHING, asyncio.Event())
    old = sentinels.primary()
    await say(store, "s", "before")
    assert b":1" in old.command("LLEN", "chat:s")

    sentinels.fail_over()
    for number in range(20):
        await say(store, "s", str(number))
        await asyncio.sleep(0.05)
    await asyncio.to_thread(eventually, "the replica is promoted", lambda: sentinels.primary() is not old)
    await recovered(store)
    await say(store, "s", "after")

    assert await contents(store, "s") == ["before", *map(str, range(20)), "after"]
    assert b":22" in sentinels.primary().command("LLEN", "chat:s")
    await store.aclose()


async def test_a_turn_that_was_not_replicated_is_written_again(sentinels: Sentinels) -> None:
    """Redis has acknowledged it, but its primary ends before the replica has it."""
    store = RedisStore(sentinel_cache(sentinels), NOTHING, asyncio.Event())
    old = sentinels.primary()
    replica = next(server for server in sentinels.servers if server is not old)
    await say(store, "s", "replicated")
    await asyncio.to_thread(eventually, "replicated", lambda: b":1" in replica.command("LLEN", "chat:s"))
    # The primary stops sending to the replica, as if the network was slow.
    assert old.command("ACL", "SETUSER", "default", "-psync", "-sync") == b"+OK\r\n"
    old.command("CLIENT", "KILL", "TYPE", "replica")
    await say(store, "s", "acknowledged")
    assert b":2" in old.command("LLEN", "chat:s")
    assert b":1" in replica.command("LLEN", "chat:s")
    old.stop()

    await asyncio.to_thread(eventually, "the replica is promoted", lambda: sentinels.primary() is replica)
    assert await contents(store, "s") == ["replicated", "acknowledged"]
    await recovered(store)

    assert await contents(store, "s") == ["replicated", "acknowledged"]
    assert b":2" in replica.command("LLEN", "chat:s")
    await store.aclose()


async def test_an_unknown_primary_is_named(sentinels: Sentinels) -> None:
    cache = CacheConfig.model_validate({"sentinel": {"master": "other", "hosts": [f"127.0.0.1:{sentinels.port}"]}})
    store = RedisStore(cache, NOTHING, asyncio.Event())

    with pytest.raises(UnhealthyError, match=r"do not know other: correct memory\.cache\.sentinel\.master"):
        await store.probe()
    await store.aclose()


async def test_an_outage_of_the_sentinels_alone_does_no_harm(sentinels: Sentinels) -> None:
    store = RedisStore(sentinel_cache(sentinels), NOTHING, asyncio.Event())
    await store.probe()
    sentinels.process.kill()
    sentinels.process.wait()

    await store.probe()
    await say(store, "s", "hi")

    assert b":1" in sentinels.servers[0].command("LLEN", "chat:s")
    await store.aclose()


def test_an_agent_recovers_from_a_failover_within_seconds(start_agent: StartAgent, sentinels: Sentinels) -> None:
    """The agent answers all the time."""
    hosts = f'["127.0.0.1:{sentinels.port}"]'
    memory = f'[agent.memory.cache.sentinel]\nmaster = "mymaster"\nhosts = {hosts}\n'
    agent = start_agent(agent_toml(ECHO, memory=memory)).ready()
    old = sentinels.primary()
    assert chat(agent, "first") == 200
    old.stop()
    eventually("the replica is promoted", lambda: sentinels.primary() is not old)
    promoted = time.monotonic()

    for number in range(1000):
        assert chat(agent, str(number)) == 200
        if b":0" not in sentinels.primary().command("LLEN", "chat:s") and is_healthy(agent):
            break
        time.sleep(0.1)

    # 2 s on an idle machine.
    assert time.monotonic() - promoted < 60
    messages = agent.http.get("/api/sessions/s").json()["messages"][::2]
    assert [message["content"] for message in messages] == ["first", *map(str, range(number + 1))][-50:]


def chat(agent: AgentProcess, message: str) -> int:
    return agent.http.post("/api/chat", json={"message": message, "session_id": "s"}).status_code


def is_healthy(agent: AgentProcess) -> bool:
    return bool(agent.http.get("/health").json()["status"] == "healthy")


async def test_a_replica_behind_the_name_is_left_as_soon_as_a_primary_is_there() -> None:
    """Without Sentinels, the same address leads to a primary again. Connections stay up meanwhile."""
    server, other = RedisServer(), RedisServer()
    store = RedisStore(CacheConfig(host="127.0.0.1", port=server.port), NOTHING, asyncio.Event())
    try:
        await say(store, "s", "before")
        server.command("REPLICAOF", "127.0.0.1", str(free_port()))
        await say(store, "s", "during")
        for _ in range(2):
            with pytest.raises(UnhealthyError) as found:
                await store.probe()
            assert found.value.reason == "ReadOnly"
        server.command("REPLICAOF", "NO", "ONE")

        await recovered(store)

        assert await contents(store, "s") == ["before", "during"]
        assert b":2" in server.command("LLEN", "chat:s")
    finally:
        await store.aclose()
        server.stop()
        other.stop()


def cluster_cache(cluster: RedisCluster, **more: object) -> CacheConfig:
    fields = {"host": "127.0.0.1", "port": cluster.servers[1].port, "cluster": True, "prefix": "chat:a/b:"}
    return CacheConfig.model_validate(fields | more)


async def test_a_cluster_keeps_each_session_on_the_server_of_its_slot(cluster: RedisCluster) -> None:
    store = RedisStore(cluster_cache(cluster), NOTHING, asyncio.Event())
    await store.probe()
    sessions = [f"s{number}" for number in range(30)]

    await asyncio.gather(*(say(store, session, "one", "two") for session in sessions))

    for session in sessions:
        assert await contents(store, session) == ["one", "two"]
        assert b":2" in cluster.server_of(f"chat:a/b:{session}").command("LLEN", f"chat:a/b:{session}")
    assert await store.add("budget:today", 5, 60) == 5
    assert await store.add("budget:today", 5, 60) == 10
    assert await store.delete("s0")
    assert not await store.delete("s0")
    await store.aclose()


async def test_the_keys_of_tasks_are_in_one_slot(cluster: RedisCluster) -> None:
    store = RedisStore(cluster_cache(cluster), NOTHING, asyncio.Event())
    commands = [("SET", store.key(f"a2a:task:{number}"), number) for number in range(20)]

    assert await store.transact(*commands) == [b"OK"] * 20
    keys = [store.key(f"a2a:task:{number}") for number in range(20)]
    assert await store.transact(("MGET", *keys)) == [[str(number).encode() for number in range(20)]]
    await store.aclose()


async def test_a_failover_of_a_cluster_loses_no_turn(cluster: RedisCluster) -> None:
    """The primary of the session ends, and its replica takes over."""
    store = RedisStore(cluster_cache(cluster), NOTHING, asyncio.Event())
    session = next(name for name in map(str, range(100)) if cluster.server_of(f"chat:a/b:{name}") is cluster.servers[0])
    other = next(name for name in map(str, range(100)) if cluster.server_of(f"chat:a/b:{name}") is cluster.servers[1])
    await say(store, session, "before")
    cluster.servers[0].stop()

    await say(store, session, "during")
    await asyncio.to_thread(
        eventually, "promoted", lambda: b"role:master" in cluster.servers[3].command("INFO", "replication")
    )
    await recovered(store)
    await say(store, session, "after")
    await say(store, other, "other")

    assert await contents(store, session) == ["before", "during", "after"]
    assert b":3" in cluster.servers[3].command("LLEN", f"chat:a/b:{session}")
    assert await contents(store, other) == ["other"]
    await store.aclose()


async def test_a_slot_that_moves_is_followed(cluster: RedisCluster) -> None:
    """While it moves, new keys are at its next server (ASK); afterwards all of them (MOVED)."""
    store = RedisStore(cluster_cache(cluster), NOTHING, asyncio.Event())
    session = next(name for name in map(str, range(100)) if cluster.server_of(f"chat:a/b:{name}") is cluster.servers[1])
    key = f"chat:a/b:{session}"
    slot = cluster.servers[1].command("CLUSTER", "KEYSLOT", key).strip().lstrip(b":").decode()
    source, target = cluster.servers[1], cluster.servers[2]
    await store.probe()
    target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.node_id(1))
    source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.node_id(2))

    await say(store, session, "asked")
    assert await contents(store, session) == ["asked"]
    for server in (target, source):
        server.command("CLUSTER", "SETSLOT", slot, "NODE", cluster.node_id(2))
    await say(store, session, "moved")

    assert await contents(store, session) == ["asked", "moved"]
    assert b":2" in target.command("LLEN", key)
    await store.probe()
    await store.aclose()


@dataclass(frozen=True)
class TlsRedis:
    """The port of a Redis with TLS, and the file with its certificate and key."""

    port: int
    certificate: Path

    @property
    def authority(self) -> str:
        """The certificate without its key."""
        return self.certificate.read_text().partition("-----BEGIN PRIVATE KEY")[0]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsRedis]:
    """A Redis with TLS and users."""
    path = write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")
    port = free_port()
    files = ("--tls-cert-file", str(path), "--tls-key-file", str(path), "--tls-ca-cert-file", str(path))
    server = RedisServer("--tls-port", str(port), "--tls-auth-clients", "no", *files)
    server.command("ACL", "SETUSER", "agent", "on", ">canary-redis-password-5", "~chat:*", "+@all", "-@dangerous")
    server.command("ACL", "SETUSER", "object-id", "on", ">entra-1", ">entra-2", "~*", "+@all")
    yield TlsRedis(port, path)
    server.stop()


@pytest.fixture
def authority(tls: TlsRedis) -> Iterator[ModelServer]:
    """Microsoft Entra ID, which requires https, with the certificate of the Redis."""
    server = ModelServer("--certificate", str(tls.certificate), scheme="https")
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("fields", "variables", "reason"),
    [
        ({"tls": {"ca_file": "CA"}, "username": "agent"}, {}, None),
        ({"tls": {"ca_file": "CA"}}, {"REDIS_USERNAME": "agent"}, None),
        ({"username": "agent"}, {}, "CertificateUntrusted"),
        ({"tls": {"ca_file": "CA"}, "username": "other"}, {}, "CredentialsRefused"),
        ({"tls": {"ca_file": "/missing"}, "username": "agent"}, {}, "NotConfigured"),
        (
            {"tls": {"ca_file": "CA", "server_name": "redis.example"}, "username": "agent"},
            {},
            "CertificateUntrusted",
        ),
        ({"tls": {"ca_file": "CA"}, "entra_id": True}, {}, "NotConfigured"),
    ],
)
async def test_tls_and_users(
    tls: TlsRedis, fields: dict[str, object], variables: dict[str, str], reason: str | None
) -> None:
    environment = read({"REDIS_PASSWORD": CANARIES["REDIS_PASSWORD"]} | variables)
    cache = CacheConfig.model_validate({"host": "127.0.0.1", "port": tls.port, "ssl": True} | fields)
    if cache.tls and cache.tls.ca_file == "CA":
        # It also contains the key, which TLS ignores.
        named = cache.tls.model_copy(update={"ca_file": str(tls.certificate)})
        cache = cache.model_copy(update={"tls": named})
    store = RedisStore(cache, environment, asyncio.Event())
    try:
        if reason is None:
            await store.probe()
            await say(store, "s", "hi")
            assert (await contents(store, "s"))[-1:] == ["hi"]
        else:
            with pytest.raises(UnhealthyError) as found:
                await store.probe()
            assert found.value.reason == reason
    finally:
        await store.aclose()


def test_a_token_of_entra_id_is_renewed_on_the_open_connection(
    start_agent: StartAgent, tls: TlsRedis, authority: ModelServer, tmp_path: Path
) -> None:
    """The first token expires soon. The second one is sent before Redis ends the connection."""
    port = tls.port
    (tmp_path / "ca.crt").write_text(tls.authority)
    authority.script(token=[{"expires_in": 1}])
    cache = f'host = "127.0.0.1"\nport = {port}\nssl = true\nentra_id = true\nusername = "object-id"\n'
    agent = start_agent(
        agent_toml(ECHO, memory=f"[agent.memory.cache]\n{cache}"),
        TRUSTED_CA_FILE=str(tmp_path / "ca.crt"),
        AZURE_TENANT_ID="tenant",
        AZURE_CLIENT_ID="client",
        AZURE_CLIENT_SECRET=CANARIES["AZURE_CLIENT_SECRET"],
        AZURE_AUTHORITY_HOST=authority.url,
    ).ready()
    eventually("healthy", lambda: is_healthy(agent))

    assert chat(agent, "hi") == 200
    eventually("the token is renewed", lambda: is_healthy(agent) and len(authority.seen("/oauth2/")) >= 2)

    assert chat(agent, "again") == 200
    assert is_healthy(agent)
    assert not agent.log("redis failed")
    (sent, *_) = authority.seen("/oauth2/")
    assert sent["body"]["scope"] == "https://redis.azure.com/.default"


async def test_agents_on_one_redis_stay_separate() -> None:
    """By the prefix that the operator writes, also in the record of tasks and budgets."""
    server = RedisServer()
    configs = (CacheConfig(host="127.0.0.1", port=server.port, prefix=f"chat:team/{name}:") for name in "ab")
    one, other = (RedisStore(config, NOTHING, asyncio.Event()) for config in configs)
    try:
        await say(one, "s", "one")
        await say(other, "s", "other")

        assert (await contents(one, "s"), await contents(other, "s")) == (["one"], ["other"])
        assert await one.add("budget:x", 1, 60) == await other.add("budget:x", 1, 60) == 1
    finally:
        for store in (one, other):
            await store.aclose()
        server.stop()
