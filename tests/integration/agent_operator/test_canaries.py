"""Marker tokens in every secret input appear nowhere but in their Secrets."""

import logging
from base64 import b64encode
from typing import Any

import pytest
from prometheus_client import generate_latest

from agent_operator.kube.resources import BY_NAME
from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

OPENAI = {"models": [{"name": "m", "provider": "openai", "baseUrl": "https://llm.example.com"}]}
ECHO = {"models": [{"name": "echo", "provider": "echo"}]}
EXTERNAL = {"externalSecret": {"secretStoreRef": {"name": "vault"}, "data": {"TOKEN": "token"}}}
CANARY = "canary-canary-token"


def canary(where: str) -> str:
    return f"{CANARY}-{where}"


def secret(name: str, key: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "stringData": {key: canary(name)}}


async def credentials_of_every_source(cluster: Cluster) -> None:
    api = cluster.api
    await api.create("Secret", secret("given", "OPENAI_API_KEY"))
    await api.apply_agent("given", config=OPENAI, credentials={"secretRef": {"name": "given"}})
    missing = {"secretRef": {"name": "given", "keys": ["OPENAI_API_KEY", "ABSENT"]}}
    await api.apply_agent("lacking", config=OPENAI, credentials=missing)
    for value in ("values", "changed"):
        await api.apply_agent("values", config=OPENAI, credentials={"values": {"OPENAI_API_KEY": canary(value)}})
        await api.wait_for_reason("Ready", "Ready", "values")
    await api.create("Secret", secret("external-secrets", "TOKEN"))
    await api.apply_agent("external", config=ECHO, credentials=EXTERNAL)
    await api.create("Secret", secret("callers", "keys"))
    await api.apply_agent("keyed", config=ECHO, apiKeys={"secretKeyRef": {"name": "callers", "key": "keys"}})
    await api.wait_for_reason("SecretsReady", "SecretKeyMissing", "lacking")
    for name in ("given", "external", "keyed"):
        await api.wait_for_reason("Ready", "Ready", name)


async def variables(cluster: Cluster) -> None:
    """Plain credentials in both fields, against the advice of the docs, and credentials of Secrets."""
    api = cluster.api
    await api.create("Secret", secret("by-env", "token"))
    reference = {"valueFrom": {"secretKeyRef": {"name": "by-env", "key": "token"}}}
    log = {"name": "log", "image": "log:1", "env": [{"name": "B", "value": canary("template")}]}
    env = [{"name": "A", "value": canary("env")}, {"name": "C"} | reference]
    template = {"spec": {"containers": [log | {"envFrom": [{"secretRef": {"name": "by-env"}}]}]}}
    await api.apply_agent("variables", config=ECHO, env=env, podTemplate=template)
    await api.wait_for_reason("Ready", "Ready", "variables")
    twice = [{"name": "A", "value": canary("twice"), **reference}]
    await api.apply_agent("both", config=ECHO, podTemplate={"spec": {"containers": [{"name": "agent", "env": twice}]}})
    await api.wait_for_reason("Ready", "Rejected", "both")


async def refused(cluster: Cluster) -> None:
    """Rejected by a rule, by a Secret of another owner, and by an API server that quotes the object."""
    api = cluster.api
    await api.apply_agent("refused", config=OPENAI, credentials={"values": {"LOG_LEVEL": canary("refused")}})
    await api.create("Secret", {"metadata": {"name": "taken-secrets"}})
    await api.apply_agent("taken", config=OPENAI, credentials={"values": {"A": canary("taken")}})
    await api.apply_agent("quoted", config=OPENAI, credentials={"values": {"A": canary("quoted")}})
    await api.wait_for_reason("ConfigValid", "CredentialsInvalid", "refused")
    await api.wait_for_reason("Ready", "Conflict", "taken")
    await api.wait_for_reason("Ready", "Rejected", "quoted")


async def rotated(cluster: Cluster) -> None:
    await cluster.api.merge("Secret", "given", {"stringData": {"OPENAI_API_KEY": canary("rotated")}})

    async def rolled() -> bool:
        return bool((await cluster.api.get("Deployment", "given"))["metadata"]["generation"] > 1)

    await wait_until(rolled)


async def shown_by(api: Any) -> list[str]:
    """Everything that the API shows of agents except Secrets: children, status, events, metadata."""
    found = [str(await api.list("Event"))]
    for agent in await api.list("AgentDeployment"):
        found.append(str(agent["status"]))
        for (kind, _), child in (await api.children(agent["metadata"]["name"])).items():
            whole = kind not in ("Secret", "Deployment", "ControllerRevision")
            found.append(str(child if whole else [child["metadata"].get(part) for part in ("annotations", "labels")]))
            found.append(str(child.get("spec", {}).get("template", {}).get("metadata")))
    return found


async def test_no_secret_value_appears_elsewhere(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for kind in ("ExternalSecret", "SecretStore"):
        await cluster.api.define(BY_NAME[kind])
    cluster.proxy.quoting = "/secrets/quoted-secrets"
    async with cluster.operator() as controller:
        await credentials_of_every_source(cluster)
        await variables(cluster)
        await refused(cluster)
        await rotated(cluster)
        shown = [generate_latest(controller.metrics.registry).decode(), caplog.text]
        shown += [str(record.__dict__) for record in caplog.records if record.name.startswith("agent_operator")]
    shown += await shown_by(cluster.api)

    assert len(shown) > 50
    quoted = [
        body for method, path, _, body, status in cluster.proxy.exchanges if status == 422 and "quoted-secrets" in path
    ]
    assert encoded() in quoted[0].decode()
    assert not [text for text in shown if CANARY in text]
    # Base64 would reveal the token as well.
    assert not [text for text in shown if encoded() in text]
    for kind in ("ExternalSecret", "SecretStore"):
        await cluster.api.undefine(BY_NAME[kind])


def encoded() -> str:
    """The token in base64, without the last characters, which depend on what follows."""
    return b64encode(CANARY.encode()).decode()[: len(CANARY) // 3 * 4]
