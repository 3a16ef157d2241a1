"""Whatever tenants write into the children of an agent, or next to them, blocks the event loop for less than 0.1 s."""

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.kube.cache import Store
from agent_operator.kube.objects import Key
from agent_operator.reconcile.step_timer import StepTimer
from tests.cpu_time import LIMIT, AsynchronousApi
from tests.memory_api import AGENT, NAME, NAMESPACE, Object, wire

KEY = Key(NAMESPACE, NAME)
ATTEMPTS = 3
Change = Callable[[AsynchronousApi], None]


def _child(api: AsynchronousApi, kind: str) -> Any:
    return next(obj for obj in api.objects.values() if obj["kind"] == kind)


def _container(**fields: Any) -> Change:
    def change(api: AsynchronousApi) -> None:
        container = _child(api, "Deployment")["spec"]["template"]["spec"]["containers"][0]
        for field, value in fields.items():
            container[field] = container[field] + value if isinstance(value, list) else value

    return change


def _containers(api: AsynchronousApi) -> None:
    template = _child(api, "Deployment")["spec"]["template"]
    template["spec"]["containers"] += [{"name": f"c{number}", "image": "x"} for number in range(20_000)]


def _annotations(api: AsynchronousApi) -> None:
    _child(api, "Deployment")["metadata"]["annotations"] |= {f"a{number}": "x" for number in range(20_000)}


def _ports(api: AsynchronousApi) -> None:
    _child(api, "Service")["spec"]["ports"] += [{"name": f"p{number}", "port": number} for number in range(30_000)]


def _rules(api: AsynchronousApi) -> None:
    _child(api, "NetworkPolicy")["spec"]["egress"] = [{"to": [{"ipBlock": {"cidr": "1.2.3.4/32"}}] * 10}] * 3_000


def _added(number: int, kind: str, **fields: Any) -> Change:
    def change(api: AsynchronousApi) -> None:
        meta = _child(api, "Deployment")["metadata"]
        shared = {"namespace": NAMESPACE, "labels": meta["labels"], "ownerReferences": meta["ownerReferences"]}
        for index in range(number):
            given = fields.get("metadata", {})
            own = {"name": f"x{index}", "uid": f"x{index}", "resourceVersion": str(1_000 + index)}
            api.objects[f"/{kind}/{index}"] = fields | {"kind": kind, "metadata": shared | own | given}

    return change


def _status(**fields: Any) -> Change:
    def change(api: AsynchronousApi) -> None:
        api.agent["status"].update(fields)

    return change


_WAITING = {"waiting": {"reason": "CrashLoopBackOff", "message": "m" * 1_000}}
_STATUS = {"phase": "Running", "containerStatuses": [{"name": "agent", "restartCount": 3, "state": _WAITING}]}
_POD_SPEC = {"containers": [{"name": "agent"}]}
_HASHES = {constants.ANNOTATION_SECRET_HASH: ",".join(f"s{number}=1" for number in range(20_000))}
_CONDITION = {"status": "True", "reason": "x", "message": "m" * 100}

CHANGES: dict[str, Change] = {
    "variables": _container(env=[{"name": f"E{number}", "value": "x"} for number in range(30_000)]),
    "quantity": _container(resources={"limits": {"cpu": "1" * 100_000}}),
    "containers": _containers,
    "annotations": _annotations,
    "ports": _ports,
    "egress": _rules,
    "pods": _added(1_000, "Pod", spec=_POD_SPEC, status=_STATUS),
    "pods with many hashes": _added(20, "Pod", spec=_POD_SPEC, status=_STATUS, metadata={"annotations": _HASHES}),
    "ConfigMaps": _added(3_000, "ConfigMap", data={"a": "b"}),
    "large ConfigMaps": _added(50, "ConfigMap", data={"a": "<" * 1_000_000}),
    "ControllerRevisions": _added(1_000, "ControllerRevision", revision=1, data={}),
    "conditions": _status(conditions=[{"type": f"t{number}", **_CONDITION} for number in range(8_000)]),
    "children": _status(children=[{"kind": "Secret", "name": f"m{n}", "apiVersion": "v1"} for n in range(20_000)]),
    "rollout": _status(rollout={f"f{number}": 1 for number in range(60_000)}),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_of_a_child_does_not_block_the_event_loop(name: str) -> None:
    loop = asyncio.get_running_loop()
    api = AsynchronousApi(copy.deepcopy(AGENT))
    store = _observed(api)
    await wire(api, store, loop).reconcile(KEY)
    CHANGES[name](api)
    shortest = float("inf")
    for _ in range(ATTEMPTS):
        store = _observed(api)
        assert store.begin_pass(KEY)
        timer = StepTimer(wire(api, store, loop).reconcile(KEY))
        await timer
        shortest = min(shortest, timer.longest)
        if shortest <= LIMIT:
            break
        # Another process may use the caches of the CPU now.
        await asyncio.sleep(0.5)
    assert shortest <= LIMIT


def _observed(api: AsynchronousApi) -> Store:
    store = Store(asyncio.get_running_loop().time)
    store.observe_agent("ADDED", api.agent)
    children: list[Object] = api.children
    for child in children:
        store.observe(child["kind"], "ADDED", child)
    return store
