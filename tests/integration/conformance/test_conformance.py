"""Every answer to a script of requests is the one that a real kube-apiserver 1.36 gave."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from local_cluster.http.server import ApiServer
from local_cluster.registry import Registry

pytestmark = pytest.mark.local_only

HERE = Path(__file__).parent
SCRIPT: list[dict[str, Any]] = json.loads((HERE / "script.json").read_text())
RECORDED: dict[str, Any] = json.loads((HERE / "recorded-1.36.json").read_text())
TOKEN = "conformance"
LONGEST_WAIT = 1.0  # seconds; the real server needed more to settle
VARYING = """
    uid resourceVersion creationTimestamp deletionTimestamp time selfLink clusterIP clusterIPs continue
    lastTransitionTime buildDate gitCommit gitVersion gitTreeState goVersion platform compiler minor
    emulationMajor emulationMinor minCompatibilityMajor minCompatibilityMinor storageVersionHash
    remainingItemCount serverAddressByClientCIDRs hash
"""
MASKED = frozenset(VARYING.split())
UID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
AGE = re.compile(r"^\d+[smh]$")


def mask(value: Any, key: str = "") -> Any:
    """The value without what differs from run to run."""
    if key in MASKED and value not in (None, ""):
        return "*"
    if isinstance(value, dict):
        return {k: mask(v, k) for k, v in value.items()}
    if isinstance(value, list):
        masked = [mask(v) for v in value]
        if key == "cells":
            return [AGE.sub("*", v) if isinstance(v, str) else v for v in masked]
        unordered = key in ("causes", "managedFields")
        return sorted(masked, key=lambda v: json.dumps(v, sort_keys=True)) if unordered else masked
    return TIME.sub("*", UID.sub("*", value)) if isinstance(value, str) else value


def unworded(value: Any) -> Any:
    """The value with messages and warnings reduced to their being there."""
    if isinstance(value, dict):
        return {k: "" if k in ("message", "warnings") else unworded(v) for k, v in value.items()}
    return [unworded(v) for v in value] if isinstance(value, list) else value


def dig(value: Any, path: str) -> str:
    """The value at a dotted path, "missing" when there is none."""
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return "missing" if value is None else str(value)


def substituted(step: dict[str, Any], variables: dict[str, str]) -> dict[str, Any]:
    """The step with its variables."""
    text = json.dumps(step)
    for name, content in variables.items():
        text = text.replace(f"${{{name}}}", content)
    found: dict[str, Any] = json.loads(text)
    return found


async def send(session: aiohttp.ClientSession, base: str, step: dict[str, Any]) -> dict[str, Any]:
    """One request and its answer."""
    headers = {"Accept": "application/json", "Authorization": f"Bearer {TOKEN}", **step.get("headers", {})}
    body = step.get("body")
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
        body = body if isinstance(body, str) else json.dumps(body)
    path = URL(base + step["path"], encoded=True)
    given = {k: v for k, v in headers.items() if v}
    async with session.request(step["method"], path, data=body, headers=given) as response:
        if "watch" in step and response.status == 200:
            text = await response.text()
            events = [json.loads(line) for line in text.splitlines() if line.strip()]
            return {"status": 200, "events": events[: step["watch"]]}
        answer: dict[str, Any] = {"status": response.status, "type": response.content_type}
        if response.headers.getall("Warning", []):
            answer["warnings"] = response.headers.getall("Warning")
        text = await response.text()
        try:
            answer["body"] = json.loads(text)
        except ValueError:
            answer["body"] = text[:400]
        return answer


async def replay() -> dict[str, Any]:
    """The masked answers of a fresh server, by the steps' names."""
    registry = Registry()
    registry.bootstrap()
    variables: dict[str, str] = {}
    answers: dict[str, Any] = {}
    async with (
        ApiServer(registry, token=TOKEN) as server,
        aiohttp.ClientSession(skip_auto_headers=("User-Agent", "Content-Type")) as session,
    ):
        for raw in SCRIPT:
            step = substituted(raw, variables)
            await asyncio.sleep(min(step.get("wait", 0), LONGEST_WAIT))
            answer = await send(session, server.url, step)
            for name, path in step.get("save", {}).items():
                variables[name] = dig(answer.get("body", answer), path)
            if step.get("keep") and isinstance(answer.get("body"), dict):
                answer["body"] = {k: v for k, v in answer["body"].items() if k in step["keep"]}
            answers[step["name"]] = mask(answer)
    return answers


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    return asyncio.run(replay())


def test_the_recording_and_the_script_are_of_the_same_steps() -> None:
    assert {step["name"] for step in SCRIPT} == set(RECORDED)
    assert len(RECORDED) == 222


@pytest.mark.parametrize("name", [step["name"] for step in SCRIPT])
def test_answers_as_the_real_server_does(answers: dict[str, Any], name: str) -> None:
    assert answers[name]["status"] == RECORDED[name]["status"]
    assert unworded(answers[name]) == unworded(RECORDED[name])
