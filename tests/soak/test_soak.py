"""Simulated hours of the operator, in which optional APIs are present, absent, installed and removed."""

import asyncio
from collections.abc import Iterator
from itertools import chain, combinations, pairwise

import pytest

from agent_operator.api.constants import KIND
from agent_operator.kube.objects import Key
from agent_operator.kube.resources import CHANNEL, WATCHED
from tests.soak.clock import run
from tests.soak.running_operator import APIS, RunningOperator, count_resources, run_operator

BRIEFLY = 100.0
LONG = 450.0  # longer than the inactivity timeout of a watch
STATES = [frozenset(some) for some in chain.from_iterable(combinations(APIS, n) for n in range(len(APIS) + 1))]
ALWAYS = {kind.kind for kind in (*WATCHED, CHANNEL) if not kind.optional or kind is CHANNEL} | {KIND}
GATEWAY = {"parentRefs": [{"name": "front"}], "hostnames": ["a.example.com"]}
OK = {"/healthz": ["ok"], "/readyz": ["ok"]}


def every_change(states: list[frozenset[str]]) -> Iterator[frozenset[str]]:
    """Yield every transition between the states once: each API is absent, present, installed or removed."""
    left = {state: list(states) for state in states}
    path, circuit = [states[0]], []
    while path:
        if left[path[-1]]:
            path.append(left[path[-1]].pop())
        else:
            circuit.append(path.pop())
    yield from reversed(circuit)


def test_every_change_of_optional_apis_occurs_once() -> None:
    steps = list(every_change(STATES))
    pairs = list(pairwise(steps))
    assert len(pairs) == len(set(pairs)) == len(STATES) ** 2


@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "busy"])
def test_the_operator_stays_healthy_through_hours_of_api_changes(busy: bool) -> None:
    run(_hours(busy=busy))


async def _hours(*, busy: bool) -> None:
    async with run_operator() as operator:
        await operator.api.apply_agent(gateway=GATEWAY)
        await asyncio.sleep(60)
        operator.answers.clear()
        taken, steps = [], list(every_change(STATES))
        for number, apis in enumerate(steps):
            await _step(operator, apis, BRIEFLY, number, busy=busy)
            if not apis and number >= len(steps) / 3:
                taken.append(count_resources())
        if not busy:
            for apis in STATES:
                await _step(operator, apis, LONG, 0, busy=False)
        assert operator.answers == OK
    assert_no_growth(taken)


async def _step(operator: RunningOperator, apis: frozenset[str], seconds: float, number: int, *, busy: bool) -> None:
    """Serve these APIs for a while. At the end only they are watched, and the children that need them exist."""
    await operator.serve_only(apis)
    if busy:
        await _edit(operator, seconds / 2, f"passing-{number}")
    await asyncio.sleep(seconds / 2 if busy else seconds)
    kinds = {kind.kind for name in apis for kind in APIS[name]}
    assert await operator.watched() - ALWAYS == kinds
    known = {target.kind for target in operator.controller.store.children(Key("default", "support"))}
    assert known - ALWAYS == kinds & {"ServiceMonitor", "HTTPRoute"}
    assert {kind for kind, _ in await operator.api.children()} >= {"NetworkPolicy", "Deployment"}


async def _edit(operator: RunningOperator, seconds: float, passing: str) -> None:
    """Create and delete an agent, change one, and repair a child."""
    await operator.api.apply_agent(passing)
    await operator.api.apply_agent(service={"port": 8080}, gateway=GATEWAY)
    await asyncio.sleep(seconds)
    await operator.api.delete("AgentDeployment", passing)
    await operator.api.delete("NetworkPolicy", "support")
    await operator.api.apply_agent(gateway=GATEWAY)


def assert_no_growth(taken: list[dict[str, int]]) -> None:
    """Compare the first and the last counts: equal, except for what is in progress."""
    grown = {what: taken[-1][what] - taken[0][what] for what in taken[0]}
    assert max(grown["tasks"], grown["files"]) <= 4, taken
    assert grown["objects"] <= 60, taken
