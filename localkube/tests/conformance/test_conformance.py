"""Compares the answers to scripts of requests with recordings of kube-apiserver 1.36."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from localkube.apiserver.http.server import ApiServer
from localkube.apiserver.registry import Registry
from tests import fast_yaml as yaml

pytestmark = pytest.mark.local_only

HERE = Path(__file__).parent
CRD = Path(__file__).parents[3] / "crds" / "agentdeployments.agent-operator.dev.yaml"
Steps = list[dict[str, Any]]
REPEATED = re.compile(r'"(\w)\{(\d+)\}"')


def steps_of(script: str) -> Steps:
    """Read a script, in which "x{N}" stands for N characters x."""
    text = (HERE / f"{script}.json").read_text()
    steps: Steps = json.loads(REPEATED.sub(lambda found: f'"{found[1] * int(found[2])}"', text))
    return steps


# Requests of a general client; requests of the operator and its users, with the CRD installed; Jobs; values that the
# schema of the CRD refuses.
SCRIPTS: dict[str, Steps] = {name: steps_of(name) for name in ("script", "agents", "jobs", "admission")}
RECORDED: dict[str, dict[str, Any]] = {
    "script": json.loads((HERE / "recorded-1.36.json").read_text()),
    "agents": json.loads((HERE / "recorded-agents-1.36.json").read_text()),
    "jobs": json.loads((HERE / "recorded-jobs-1.36.json").read_text()),
    "admission": json.loads((HERE / "recorded-admission-1.36.json").read_text()),
}
TOKEN = "conformance"
LONGEST_WAIT = 1.0  # seconds; the real server needed more
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
    """Mask what differs between runs."""
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


def unworded(value: Any, script: str) -> Any:
    """Replace the text of messages and warnings, so that only their presence is compared.

    Descriptions are compared, except in `agents`: those come from our CRD, not from the server. In `admission`,
    messages are compared, but not warnings.
    """
    if script == "admission":
        return {**value, "warnings": bool(value.get("warnings"))}
    texts = {"message", "warnings", "description"} if script == "agents" else {"message", "warnings"}
    if isinstance(value, dict):
        return {k: "" if k in texts else unworded(v, script) for k, v in value.items()}
    return [unworded(v, script) for v in value] if isinstance(value, list) else value


def dig(value: Any, path: str) -> str:
    """The value at a dotted path, or "missing"."""
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return "missing" if value is None else str(value)


def substituted(step: dict[str, Any], variables: dict[str, str]) -> dict[str, Any]:
    """Substitute the variables in a step."""
    text = json.dumps(step)
    for name, content in variables.items():
        text = text.replace(f"${{{name}}}", content)
    found: dict[str, Any] = json.loads(text)
    return found


async def send(session: aiohttp.ClientSession, base: str, step: dict[str, Any]) -> dict[str, Any]:
    """Send a request and return the answer."""
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


async def replay(script: str) -> dict[str, Any]:
    """The masked answers of a new server, by the names of the steps."""
    registry = Registry()
    registry.bootstrap()
    if script in ("agents", "admission"):
        crd = yaml.safe_load(CRD.read_text())
        registry.create("customresourcedefinitions.apiextensions.k8s.io", "", crd, manager="test")
    variables: dict[str, str] = {}
    answers: dict[str, Any] = {}
    async with (
        ApiServer(registry, token=TOKEN) as server,
        aiohttp.ClientSession(skip_auto_headers=("User-Agent", "Content-Type")) as session,
    ):
        for raw in SCRIPTS[script]:
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
def answers() -> dict[str, dict[str, Any]]:
    return {script: asyncio.run(replay(script)) for script in SCRIPTS}


@pytest.mark.parametrize(("script", "steps"), [("script", 222), ("agents", 97), ("jobs", 134), ("admission", 72)])
def test_the_recording_has_the_steps_of_the_script(script: str, steps: int) -> None:
    assert {step["name"] for step in SCRIPTS[script]} == set(RECORDED[script])
    assert len(RECORDED[script]) == steps


# Known differences. Remove a step from this table when its answer matches.
DIFFERS = {
    "event": "managedFields have the field names of core/v1 Events",
    "event-as-core": "managedFields have the field names of core/v1 Events",
    "job-bad-name": "the labels that a Job gets from its template are validated, too, so there are more causes",
    "rev-spaced-labels": "the real server compares data byte by byte; a patch writes JSON without spaces",
    "rev-apply-dropped": "missing data is reported in addition to changed data",
}
STEPS = [
    pytest.param(
        script,
        step["name"],
        id=f"{script}-{step['name']}",
        marks=[pytest.mark.xfail(reason=DIFFERS[step["name"]], strict=True)] if step["name"] in DIFFERS else [],
    )
    for script, steps in SCRIPTS.items()
    for step in steps
]


@pytest.mark.parametrize(("script", "name"), STEPS)
def test_the_answer_matches_the_recorded_one(answers: dict[str, dict[str, Any]], script: str, name: str) -> None:
    recorded = RECORDED[script][name]
    assert answers[script][name]["status"] == recorded["status"]
    assert unworded(answers[script][name], script) == unworded(recorded, script)
