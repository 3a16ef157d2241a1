"""What stands in a secret stays in it: tokens put into every secret input appear nowhere else."""

import logging
from typing import Any

import pytest
from prometheus_client import generate_latest

OPENAI = {"models": [{"name": "m", "provider": "openai", "baseUrl": "https://llm.example.com"}]}
MISSING = {"secretRef": {"name": "given", "keys": ["OPENAI_API_KEY", "ABSENT"]}}


async def test_no_secret_leaves_its_secret(world: Any, until: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    canaries = {where: f"canary-{where}" for where in ("values", "changed", "given", "rotated", "refused")}
    async with world.operator() as controller:
        secret = {"metadata": {"name": "given"}, "stringData": {"OPENAI_API_KEY": canaries["given"]}}
        await world.api.create("Secret", secret)
        await world.api.agent("given", config=OPENAI, credentials={"secretRef": {"name": "given"}})
        await world.api.agent("lacking", config=OPENAI, credentials=MISSING)
        for value in ("values", "changed"):
            values = {"OPENAI_API_KEY": canaries[value]}
            await world.api.agent("values", config=OPENAI, credentials={"values": values})
            await world.api.until_reason("Ready", "Ready", "values")
        # Refused by a rule; and a Secret that is somebody else's.
        await world.api.agent("refused", config=OPENAI, credentials={"values": {"LOG_LEVEL": canaries["refused"]}})
        await world.api.create("Secret", {"metadata": {"name": "taken-secrets"}})
        await world.api.agent("taken", config=OPENAI, credentials={"values": {"A": canaries["refused"]}})
        await world.api.until_reason("ConfigValid", "CredentialsInvalid", "refused")
        await world.api.until_reason("SecretsReady", "SecretKeyMissing", "lacking")
        await world.api.until_reason("Ready", "Conflict", "taken")
        await world.api.until_reason("Ready", "Ready", "given")
        await world.api.merge("Secret", "given", {"stringData": {"OPENAI_API_KEY": canaries["rotated"]}})

        async def rotated() -> bool:
            deployment = await world.api.get("Deployment", "given")
            return bool(deployment["metadata"]["generation"] > 1)

        await until(rotated)
        shown = [generate_latest(controller.metrics.registry).decode(), caplog.text]
        shown += [str(record.__dict__) for record in caplog.records if record.name.startswith("agent_operator")]

    for name in ("given", "values", "lacking", "refused", "taken"):
        shown += [str(child) for (kind, _), child in (await world.api.children(name)).items() if kind != "Secret"]
        shown.append(str((await world.api.get("AgentDeployment", name))["status"]))
    shown.append(str(await world.api.list("Event")))
    shown += [
        str(made["metadata"].get(part)) for made in await world.api.list("Secret") for part in ("annotations", "labels")
    ]
    assert len(shown) > 20
    assert not [text for text in shown if "canary" in text]
    # In base64 it would be as plain.
    assert not [text for text in shown if "Y2FuYXJ5" in text]
