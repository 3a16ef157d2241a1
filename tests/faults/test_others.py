"""Interference: another agent that fails, concurrent edits of the same objects, a killed process."""

import asyncio
import json
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_operator.kube.objects import Key
from tests.faults.cluster import NAME, Cluster
from tests.faults.proxy import Mode
from tests.patience import DEADLINE
from tests.polling import wait_until

FAILING = "broken"


async def test_a_failing_agent_does_not_delay_another(cluster: Cluster) -> None:
    """With a single worker, the failing agent is reconciled at most twice before an edit of the other is complete."""
    cluster.proxy.refuse = lambda _method, path: 500 if path.endswith(f"/{FAILING}") else None
    async with cluster.operator(workers=1) as operator:
        await cluster.api.apply_agent(FAILING)
        await cluster.api.apply_agent()
        await cluster.wait_until_converged(operator)
        failed = operator.queue._failures[Key(cluster.api.namespace, FAILING)]

        async def fails_on() -> bool:
            return operator.queue._failures[Key(cluster.api.namespace, FAILING)] > failed

        await wait_until(fails_on)
        cluster.proxy.writes.clear()
        await cluster.api.apply_agent(service={"port": 8080})

        async def done() -> bool:
            return any(write.path.endswith(f"services/{NAME}") for write in cluster.proxy.writes)

        await wait_until(done)
        meanwhile = [write for write in cluster.proxy.writes if f"/{FAILING}" in write.path]
        assert len(meanwhile) <= 2 * 4  # of a reconcile: three attempts at the first child, and the status
        condition = await cluster.api.wait_for_reason("Ready", "ApiUnavailable", FAILING)
        assert condition["status"] == "False"


@pytest.mark.parametrize(
    ("kind", "patch", "kept"),
    [
        ("Service", {"metadata": {"labels": {"team": "blue"}}}, True),
        ("Service", {"spec": {"sessionAffinity": "ClientIP"}}, False),
        ("Deployment", {"metadata": {"annotations": {"theirs": "1"}}}, True),
        ("Deployment", {"spec": {"replicas": 7}}, False),
    ],
    ids=["label", "owned field", "annotation", "replicas"],
)
async def test_an_edit_between_read_and_write_keeps_only_its_own_fields(
    cluster: Cluster, kind: str, patch: dict[str, Any], kept: bool
) -> None:
    edits = 0

    async def adversary(_method: str, path: str) -> None:
        nonlocal edits
        if path == cluster.api.path(kind, NAME) and edits < 3:
            edits += 1
            await cluster.api.merge(kind, NAME, patch)

    async with cluster.operator() as operator:
        await cluster.api.apply_agent(replicas=2, service={"port": 8080})
        await cluster.wait_until_converged(operator)
        before = await cluster.api.get(kind, NAME) or {}
        cluster.proxy.before_write = adversary
        await cluster.api.apply_agent(replicas=3, service={"port": 8081})
        await cluster.wait_until_converged(operator)
        after = await cluster.api.get(kind, NAME) or {}
    assert edits > 0
    part, fields = next(iter(patch.items()))
    ((field, value),) = fields.items()
    if kept:
        assert after[part][field].items() >= value.items()
    elif field == "replicas":
        assert after["spec"]["replicas"] == 3
    else:
        assert after[part][field] in (value, before[part][field])


async def test_a_child_deleted_during_a_write_is_recreated(cluster: Cluster) -> None:
    deleted = False

    async def adversary(_method: str, path: str) -> None:
        nonlocal deleted
        if path == cluster.api.path("Service", NAME) and not deleted:
            deleted = True
            await cluster.api.delete("Service", NAME)

    async with cluster.operator() as operator:
        await cluster.api.apply_agent()
        await cluster.wait_until_converged(operator)
        cluster.proxy.before_write = adversary
        await cluster.api.apply_agent(service={"port": 8080})
        await cluster.wait_until_converged(operator)
        service = await cluster.api.get("Service", NAME)
    assert deleted
    assert service is not None
    assert service["spec"]["ports"][0]["port"] == 8080


async def test_an_object_created_by_another_during_a_create_is_not_changed(cluster: Cluster) -> None:
    is_created = False

    async def adversary(_method: str, path: str) -> None:
        nonlocal is_created
        if path == cluster.api.path("Service", NAME) and not is_created:
            is_created = True
            await cluster.api.create("Service", {"metadata": {"name": NAME}, "spec": {"ports": [{"port": 1}]}})

    cluster.proxy.before_write = adversary
    async with cluster.operator():
        await cluster.api.apply_agent()
        await cluster.api.wait_for_reason("Ready", "Conflict")
        service = await cluster.api.get("Service", NAME) or {}
    assert service["spec"]["ports"][0]["port"] == 1
    assert "managed-by" not in json.dumps(service["metadata"].get("labels", {}))


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([None, *Mode]), min_size=10, max_size=10))
async def test_the_operator_converges_after_random_faults(cluster: Cluster, modes: list[Mode | None]) -> None:
    await cluster.use_new_namespace()
    cluster.proxy.faults = {number: mode for number, mode in enumerate(modes, 1) if mode}
    await cluster.api.apply_agent()
    while True:
        async with cluster.operator() as operator:
            if await cluster.converges(operator):
                break
    end = await cluster.end_state()
    assert set(end.created.values()) == {1}
    assert end.deleted == set()


@pytest.mark.parametrize("mode", [Mode.KILL_BEFORE, Mode.KILL_AFTER])
async def test_a_new_process_finishes_the_work_of_a_killed_one(cluster: Cluster, mode: Mode) -> None:
    """A real process, and SIGKILL. Neither process logs a traceback."""
    cluster.proxy.faults = {5: mode}
    options = [
        "--kubeconfig",
        str(cluster.kubeconfig),
        "--namespaces",
        cluster.api.namespace,
        "--listen",
        "127.0.0.1:0",
    ]
    command = [sys.executable, "-m", "agent_operator", "run", "--no-leader-election", *options]

    async def started() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)

    first = await started()
    await cluster.api.apply_agent()
    async with asyncio.timeout(DEADLINE):
        await cluster.proxy.killed.wait()
    first.kill()
    _, log = await first.communicate()
    cluster.proxy.killed.clear()
    second = await started()
    await cluster.api.wait_for_reason("Ready", "Ready")
    second.terminate()
    log += (await second.communicate())[1]
    assert second.returncode == 0
    assert b"Traceback" not in log
    assert b'"exception"' not in log
    assert set((await cluster.end_state()).created.values()) == {1}
