"""One pass: what it writes, what it reports, and what it tells the workers. The API server is a dictionary."""

import asyncio
from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.kube.agent_object import pack_agent
from agent_operator.kube.cache import Store
from agent_operator.kube.objects import Key
from agent_operator.reconcile.context import Result, start_pass
from agent_operator.reconcile.dry_run import DryRun
from tests.memory_api import AGENT, NAME, NAMESPACE, MemoryApi, wire

KEY = Key(NAMESPACE, NAME)


async def reconcile(api: MemoryApi, dry_run: DryRun | None = None) -> Result:
    """Do one pass over the agent as the API server has it."""
    loop = asyncio.get_running_loop()
    store = Store(loop.time)
    store.observe_agent("ADDED", api.agent)
    assert store.begin_pass(KEY)
    return await wire(api, store, loop, dry_run).reconcile(KEY)


def api_with(**spec: Any) -> MemoryApi:
    return MemoryApi(AGENT | {"spec": AGENT["spec"] | spec})


def condition(api: MemoryApi, kind: str) -> tuple[str, str]:
    found = {it["type"]: it for it in api.agent["status"]["conditions"]}[kind]
    return found["status"], found["reason"]


def kinds(api: MemoryApi) -> list[str]:
    return [child["kind"] for child in api.children]


async def test_a_new_agent_gets_its_children_and_a_status() -> None:
    api = api_with()

    result = await reconcile(api)

    assert result == Result(status_changed=True)
    assert "Deployment" in kinds(api)
    assert condition(api, "ConfigValid") == ("True", "Valid")
    assert api.agent["status"]["rollout"]["stable"] == api.agent["status"]["revision"]


async def test_an_invalid_spec_is_reported_and_nothing_is_written() -> None:
    api = api_with(service={"port": 9090})

    result = await reconcile(api)

    assert result.invalid is not None
    assert result.invalid.field == "spec.service.port"
    assert kinds(api) == []
    assert condition(api, "ConfigValid") == ("False", "PortConflict")
    assert condition(api, "Stalled") == ("True", "PortConflict")


async def test_an_object_of_another_owner_blocks_the_objects_after_it() -> None:
    api = api_with()
    meta = {"name": NAME, "namespace": NAMESPACE, "uid": "x", "resourceVersion": "1"}
    path = f"/api/v1/namespaces/{NAMESPACE}/services/{NAME}"
    api.objects[path] = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {}}

    result = await reconcile(api)

    assert result.blocked is not None
    assert result.blocked.reason == "Conflict"
    assert "ConfigMap" in kinds(api)
    assert "Deployment" not in kinds(api)
    assert condition(api, "Ready") == ("False", "Conflict")


async def test_without_its_secret_an_agent_gets_only_what_the_secret_needs() -> None:
    api = api_with(credentials={"secretRef": {"name": "azure"}})

    result = await reconcile(api)

    assert result.blocked is not None
    assert (result.blocked.reason, result.references) == ("SecretMissing", True)
    assert kinds(api) == ["ServiceAccount"]
    assert condition(api, "SecretsReady") == ("False", "SecretMissing")


async def test_a_suspended_agent_is_only_reported() -> None:
    api = api_with(suspend=True)

    assert await reconcile(api) == Result(status_changed=True)
    assert kinds(api) == []
    assert condition(api, "Ready") == ("Unknown", "Suspended")


async def test_a_dry_run_counts_the_changes_and_writes_nothing() -> None:
    api, dry_run = api_with(), DryRun()
    before = dict(api.objects)

    assert await reconcile(api, dry_run) == Result()

    assert dry_run.count([KEY]) == 1
    assert api.objects == before


@pytest.mark.parametrize(("namespace", "counts"), [("", True), ("agents", True), (NAMESPACE, False)])
def test_only_children_in_the_namespace_of_the_children_count(namespace: str, counts: bool) -> None:
    """Tenants of other namespaces can forge the labels of the agent."""
    agent = AGENT | {"spec": AGENT["spec"] | {"namespace": {"name": "agents"}}}
    labels = {constants.LABEL_AGENT: NAME, constants.LABEL_AGENT_NAMESPACE: NAMESPACE, constants.LABEL_OWNER_UID: "0"}
    store = Store(lambda: 0.0)
    store.observe("Service", "ADDED", {"metadata": {"name": "a", "namespace": namespace, "labels": labels}, "spec": {}})

    context = start_pass(KEY, pack_agent(agent), store.children(KEY), "now", manage_namespaces=False)

    assert bool(context.children) is counts


async def test_a_failed_pass_changes_only_the_conditions_that_say_so() -> None:
    api = api_with()
    await reconcile(api)
    before = api.agent["status"]
    store = Store(asyncio.get_running_loop().time)
    store.observe_agent("ADDED", api.agent)
    reconciler = wire(api, store, asyncio.get_running_loop())

    await reconciler.report_error(KEY, Problem(Reason.INTERNAL_ERROR, "", "the operator failed", retry=True))

    assert condition(api, "Ready") == ("False", "InternalError")
    assert condition(api, "Reconciling") == ("True", "InternalError")
    assert condition(api, "ConfigValid") == ("True", "Valid")
    assert {**api.agent["status"], "conditions": ()} == {**before, "conditions": ()}


async def test_a_failed_pass_over_a_new_agent_is_reported() -> None:
    api, store = api_with(), Store(asyncio.get_running_loop().time)
    store.observe_agent("ADDED", api.agent)
    reconciler = wire(api, store, asyncio.get_running_loop())
    await reconciler.report_error(KEY, Problem(Reason.INTERNAL_ERROR, "", "the operator failed"))
    assert condition(api, "Stalled") == ("True", "InternalError")
    assert api.agent["status"]["observedGeneration"] == 1

    await reconciler.report_expense(KEY, 1.5)
    events = [obj for obj in api.objects.values() if obj["kind"] == "Event"]
    assert "a pass took 1.5 s of CPU time" in events[-1]["note"]


async def test_a_dry_run_reports_no_error() -> None:
    api, store = api_with(), Store(asyncio.get_running_loop().time)
    store.observe_agent("ADDED", api.agent)
    reconciler = wire(api, store, asyncio.get_running_loop(), DryRun())
    await reconciler.report_error(KEY, Problem(Reason.INTERNAL_ERROR, "", "the operator failed"))
    await reconciler.report_expense(KEY, 1.5)
    assert list(api.objects.values()) == [api.agent]
    assert "status" not in api.agent
