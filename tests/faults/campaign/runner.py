"""Runs the cells of the campaign, each in a new namespace, and compares each with a run without faults."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import pytest

from agent_operator.inputs.agent_inputs import Platform
from agent_operator.kube.objects import Key
from agent_operator.manager import manager as managers
from agent_operator.manager.manager import Manager
from agent_operator.reconcile import factory
from tests.faults.agents import Agent
from tests.faults.campaign.injection import Injection
from tests.faults.campaign.matrix import Cell, Fault, Group
from tests.faults.campaign.poison import CASES
from tests.faults.campaign.results import Outcome, Run, destructive, outcome, without_counts, without_hashes
from tests.faults.campaign.scenarios import OWN, SCENARIOS, Scenario
from tests.faults.cluster import NAME, Cluster
from tests.polling import wait_until

# Seconds of the loop's clock: a run that takes longer has failed.
DEADLINE = 1200.0
# The optional APIs that the cluster serves.
OPTIONAL = ("SecretStore", "ExternalSecret", "HTTPRoute", "ServiceMonitor")
# Warnings about what is read again a minute later.
CHECKED_AGAIN = ("ApiMissing", "IngressClassMissing")
# More than a scenario has writes.
_MAX_RESTARTS = 100


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Record errors and tracebacks."""
        # An operator that is killed during the discovery of kopf does not await the requests of kopf.
        is_of_kopf = "kopf" in record.name or "/kopf/" in record.getMessage()
        if not is_of_kopf and (record.exc_info or record.levelno >= logging.ERROR):
            self.found.append(f"{record.name}: {record.getMessage()} {record.exc_info and record.exc_info[1]!r}")


@contextmanager
def errors_in_the_log() -> Iterator[list[str]]:
    """Collect the errors that the block logs."""
    handler = _Errors()
    logging.getLogger().addHandler(handler)
    try:
        yield handler.found
    finally:
        logging.getLogger().removeHandler(handler)


@dataclass
class Runner:
    """Runs scenarios against one cluster.

    Attributes:
        cluster: the cluster.
        proxy: its proxy.
    """

    cluster: Cluster
    proxy: Injection
    _passes: int = 0
    _references: dict[str, Run] = field(default_factory=dict)

    async def reference(self, name: str) -> Run:
        """Run a scenario without faults, once."""
        if name not in self._references:
            self._references[name] = await self.run(SCENARIOS[name])
        return self._references[name]

    async def outcome(self, cell: Cell) -> Outcome:
        """Run a cell and compare it."""
        expected = await self.reference(cell.scenario)
        try:
            with errors_in_the_log() as errors:
                run = await self.run(SCENARIOS[cell.scenario], cell)
        except (Exception, pytest.fail.Exception) as failure:  # noqa: BLE001  (a failed cell must not end the others)
            return Outcome(cell.row, str(cell), f"{type(failure).__name__}: {failure}", bool(self.proxy.hits))
        if cell.fault is Fault.FORMER_LEADER:
            # The late write may start a rollout, or create an object, which the leader ends or deletes.
            run, expected = without_counts(run), without_counts(expected)
        return outcome(cell.row, str(cell), run, expected, errors)

    async def run(self, scenario: Scenario, cell: Cell | None = None) -> Run:
        """Run a scenario in a new namespace, with the fault of a cell."""
        await self.cluster.use_new_namespace()
        if cell is not None and cell.poison:
            await self.cluster.api.create("Namespace", {"metadata": {"name": self._poisoned}})
        agent = Agent(self.cluster)
        try:
            async with asyncio.timeout(DEADLINE):
                return await self._run(agent, scenario, cell)
        except TimeoutError:
            pytest.fail(f"not within {DEADLINE:g} s: {await agent.status()}")
        finally:
            await self.clean_up()

    async def _run(self, agent: Agent, scenario: Scenario, cell: Cell | None) -> Run:
        if not scenario.before:
            await self._inject(cell)
        async with self._operator(cell) as operator:
            for step in scenario.before:
                await step(agent)
                await self.cluster.wait_until_converged(operator)
            if scenario.before:
                await self._inject(cell)
            began, restarts, ended = asyncio.get_running_loop().time(), 0, False
            if not scenario.upgraded:
                ended = await self._change(agent, operator, scenario, cell)
        if scenario.upgraded:
            await scenario.change(agent)
        while not ended:
            assert restarts < _MAX_RESTARTS, "the operator was restarted again and again"
            restarts += 1
            async with self._operator(cell, upgraded=scenario.upgraded) as operator:
                ended = await self.cluster.unless_killed(self._ended(agent, operator, scenario))
        if cell is not None and cell.group is Group.LIST:
            restarts += 1
            await self._restart_with_stale_list(agent, scenario, cell)
        seconds = asyncio.get_running_loop().time() - began
        return await self._result(scenario, seconds, restarts - scenario.upgraded)

    async def _restart_with_stale_list(self, agent: Agent, scenario: Scenario, cell: Cell) -> None:
        plural = cell.target[1] if cell.target else ""
        self.proxy.lag_behind(*(path for path in self.proxy.past if path.endswith(f"/{plural}")))
        self.proxy.hits += 1
        async with self._operator(cell, upgraded=scenario.upgraded) as operator:
            await self._ended(agent, operator, scenario)

    async def _change(self, agent: Agent, operator: Manager, scenario: Scenario, cell: Cell | None) -> bool:
        """Change the agent; False when the operator was killed before it converged."""
        async with AsyncExitStack() as stack:
            if cell is not None and cell.fault is Fault.TWO_LEADERS:
                await stack.enter_async_context(self._operator(cell))
            await scenario.change(agent)
            if cell is not None and cell.poison:
                await self._poison(cell.poison)
            return await self.cluster.unless_killed(self._ended(agent, operator, scenario))

    async def _inject(self, cell: Cell | None) -> None:
        """Inject the fault of a cell from now on."""
        if cell is not None and cell.poison:
            await self._poison(cell.poison)
        await self.proxy.remember(self.cluster.api.namespace)
        self.proxy.reset()
        self._passes = 0
        if cell is not None:
            self.proxy.inject(cell)
            self.proxy.hits += cell.target is None or cell.fault in (Fault.TWO_LEADERS, Fault.CLOCK)

    async def _poison(self, case: str) -> None:
        """Create the objects of a case. Those that exist are deleted first."""
        for post in CASES[case]():
            path = post.path.format(self._poisoned)
            await self.proxy.send("DELETE", f"{path}/{post.name}")
            await self.proxy.send("POST", path, post.body.encode())

    @property
    def _poisoned(self) -> str:
        return f"{self.cluster.api.namespace}-poison"

    async def _result(self, scenario: Scenario, seconds: float, restarts: int) -> Run:
        writes = self.proxy.writes = [write for write in self.proxy.writes if self._poisoned not in write.path]
        end = await self.cluster.end_state()
        if scenario.own_namespace:
            end = without_hashes(end)
        return Run(
            self.proxy.traffic,
            end,
            destructive(writes),
            self._passes,
            seconds,
            len(writes),
            restarts,
            bool(self.proxy.hits),
        )

    @asynccontextmanager
    async def _operator(self, cell: Cell | None, *, upgraded: bool = False) -> AsyncIterator[Manager]:
        namespaces = (self.cluster.api.namespace, *([self._poisoned] if cell is not None and cell.poison else []))
        with pytest.MonkeyPatch.context() as patch:
            if upgraded:
                patch.setattr(factory, "Platform", partial(Platform, runtime_version="99.0.0"))
            if cell is not None and cell.fault is Fault.CLOCK:
                years = count(step=37)
                patch.setattr(managers, "timestamp", lambda: f"20{10 + next(years) % 80}-01-01T00:00:00Z")
            async with self.cluster.operator(namespaces=namespaces) as operator:
                begin_pass = operator.store.begin_pass

                def counted(key: Key) -> bool:
                    begun = begin_pass(key)
                    self._passes += begun and key == (self.cluster.api.namespace, NAME)
                    return begun

                patch.setattr(operator.store, "begin_pass", counted)
                yield operator

    async def _ended(self, agent: Agent, operator: Manager, scenario: Scenario) -> None:
        """Wait for the end: after the view is no longer stale, and again after the write of a former leader."""
        while self.proxy.stale:  # noqa: ASYNC110  (nothing else waits for it)
            await asyncio.sleep(1)
        await self._end(agent, operator, scenario)
        if self.proxy.forwarding is not None:
            await self.proxy.forwarding
            await self._end(agent, operator, scenario)

    async def _end(self, agent: Agent, operator: Manager, scenario: Scenario) -> None:
        if not scenario.reason:
            await wait_until(self._is_gone, DEADLINE)
            return
        # Without a permission or a list of APIs, an API seems to be missing until the next attempt a minute later.
        await wait_until(partial(_serves_all, operator), DEADLINE)
        await agent.wait_for(scenario.over, DEADLINE)
        # The objects of the canary are deleted with its last pods, after the end in the status.
        await wait_until(self._is_tidy, DEADLINE)
        await self.cluster.wait_until_converged(operator, reason=scenario.reason)

    async def _is_tidy(self) -> bool:
        """Report whether the canary is gone, and nothing seems to be missing, which the operator checks again later."""
        agent = await self.cluster.api.get("AgentDeployment", NAME) or {}
        warnings = agent.get("status", {}).get("warnings", ())
        if any(warning["reason"] in CHECKED_AGAIN for warning in warnings):
            return False
        return not any("canary" in name or "check" in name for _, name in await self.cluster.api.children())

    async def _is_gone(self) -> bool:
        api = self.cluster.api
        agent = await api.get("AgentDeployment", NAME)
        return agent is None and await api.get("Namespace", OWN) is None

    async def clean_up(self) -> None:
        """Delete the objects of a run: informers watch the children in all namespaces."""
        api = self.cluster.api
        for found in await api.list("AgentDeployment"):
            name = found["metadata"]["name"]
            await api.merge("AgentDeployment", name, {"metadata": {"finalizers": None}})
            await api.delete("AgentDeployment", name)
        names = (api.namespace, OWN, self._poisoned)
        for name in names:
            await api.delete("Namespace", name)

        async def are_gone() -> bool:
            return not any([await api.get("Namespace", name) for name in names])

        await wait_until(are_gone, DEADLINE)


async def _serves_all(operator: Manager) -> bool:
    """Report whether the operator watches every kind that the cluster serves."""
    watched = [it for it in operator._informers.values() if not it.kind.optional or it.kind.kind in OPTIONAL]
    return all(informer.version is not None for informer in watched)
