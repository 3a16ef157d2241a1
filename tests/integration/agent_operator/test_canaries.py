"""What stands in a secret stays in it: tokens put into every secret input appear nowhere else."""

import logging
from base64 import b64encode
from typing import Any

import pytest
from prometheus_client import generate_latest

from agent_operator.kube.resources import BY_NAME

OPENAI = {"models": [{"name": "m", "provider": "openai", "baseUrl": "https://llm.example.com"}]}
ECHO = {"models": [{"name": "echo", "provider": "echo"}]}
EXTERNAL = {"externalSecret": {"secretStoreRef": {"name": "vault"}, "data": {"TOKEN": "token"}}}
CANARY = "canary-canary-token"


def canary(where: str) -> str:
    return f"{CANARY}-{where}"


def secret(name: str, key: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "stringData": {key: canary(name)}}


async def credentials_of_every_source(world: Any) -> None:
    api = world.api
    await api.create("Secret", secret("given", "OPENAI_API_KEY"))
    await api.agent("given", config=OPENAI, credentials={"secretRef": {"name": "given"}})
    missing = {"secretRef": {"name": "given", "keys": ["OPENAI_API_KEY", "ABSENT"]}}
    await api.agent("lacking", config=OPENAI, credentials=missing)
    for value in ("values", "changed"):
        await api.agent("values", config=OPENAI, credentials={"values": {"OPENAI_API_KEY": canary(value)}})
        await api.until_reason("Ready", "Ready", "values")
    await api.create("Secret", secret("external-secrets", "TOKEN"))
    await api.agent("external", config=ECHO, credentials=EXTERNAL)
    await api.create("Secret", secret("callers", "keys"))
    await api.agent("keyed", config=ECHO, apiKeys={"secretKeyRef": {"name": "callers", "key": "keys"}})
    await api.until_reason("SecretsReady", "SecretKeyMissing", "lacking")
    for name in ("given", "external", "keyed"):
        await api.until_reason("Ready", "Ready", name)


async def variables(world: Any) -> None:
    """Plain ones, in both places, which belong into a Secret but not every user knows; and some of Secrets."""
    api = world.api
    await api.create("Secret", secret("by-env", "token"))
    reference = {"valueFrom": {"secretKeyRef": {"name": "by-env", "key": "token"}}}
    log = {"name": "log", "image": "log:1", "env": [{"name": "B", "value": canary("template")}]}
    env = [{"name": "A", "value": canary("env")}, {"name": "C"} | reference]
    template = {"spec": {"containers": [log | {"envFrom": [{"secretRef": {"name": "by-env"}}]}]}}
    await api.agent("variables", config=ECHO, env=env, podTemplate=template)
    await api.until_reason("Ready", "Ready", "variables")
    twice = [{"name": "A", "value": canary("twice"), **reference}]
    await api.agent("both", config=ECHO, podTemplate={"spec": {"containers": [{"name": "agent", "env": twice}]}})
    await api.until_reason("Ready", "Rejected", "both")


async def refused(world: Any) -> None:
    """By a rule, by somebody else's Secret, and by an API server that quotes what it refuses."""
    api = world.api
    await api.agent("refused", config=OPENAI, credentials={"values": {"LOG_LEVEL": canary("refused")}})
    await api.create("Secret", {"metadata": {"name": "taken-secrets"}})
    await api.agent("taken", config=OPENAI, credentials={"values": {"A": canary("taken")}})
    await api.agent("quoted", config=OPENAI, credentials={"values": {"A": canary("quoted")}})
    await api.until_reason("ConfigValid", "CredentialsInvalid", "refused")
    await api.until_reason("Ready", "Conflict", "taken")
    await api.until_reason("Ready", "Rejected", "quoted")


async def rotated(world: Any, until: Any) -> None:
    await world.api.merge("Secret", "given", {"stringData": {"OPENAI_API_KEY": canary("rotated")}})

    async def rolled() -> bool:
        return bool((await world.api.get("Deployment", "given"))["metadata"]["generation"] > 1)

    await until(rolled)


async def shown_by(api: Any) -> list[str]:
    """What the API shows of agents: children without what holds the values themselves, status, events, metadata."""
    found = [str(await api.list("Event"))]
    for agent in await api.list("AgentDeployment"):
        found.append(str(agent["status"]))
        for (kind, _), child in (await api.children(agent["metadata"]["name"])).items():
            whole = kind not in ("Secret", "Deployment", "ControllerRevision")
            found.append(str(child if whole else [child["metadata"].get(part) for part in ("annotations", "labels")]))
            found.append(str(child.get("spec", {}).get("template", {}).get("metadata")))
    return found


async def test_no_secret_leaves_its_secret(world: Any, until: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for kind in ("ExternalSecret", "SecretStore"):
        await world.api.define(BY_NAME[kind])
    world.proxy.quoting = "/secrets/quoted-secrets"
    async with world.operator() as controller:
        await credentials_of_every_source(world)
        await variables(world)
        await refused(world)
        await rotated(world, until)
        shown = [generate_latest(controller.metrics.registry).decode(), caplog.text]
        shown += [str(record.__dict__) for record in caplog.records if record.name.startswith("agent_operator")]
    shown += await shown_by(world.api)

    assert len(shown) > 50
    quoted = [body for method, path, _, body, status in world.proxy.asked if status == 422 and "quoted-secrets" in path]
    assert encoded() in quoted[0].decode()
    assert not [text for text in shown if CANARY in text]
    # In base64 it would be as plain.
    assert not [text for text in shown if encoded() in text]
    for kind in ("ExternalSecret", "SecretStore"):
        await world.api.undefine(BY_NAME[kind])


def encoded() -> str:
    """The token in base64, without the end that depends on what follows."""
    return b64encode(CANARY.encode()).decode()[: len(CANARY) // 3 * 4]
