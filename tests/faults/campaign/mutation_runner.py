"""Applies mutations to an object, reverts each, and compares the object with a fresh one."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from agent_operator.kube.transport import ApiError
from agent_operator.manager.manager import Manager
from tests.faults.campaign.mutation_subjects import Subject
from tests.faults.campaign.mutations import Mutation, Schema, mutate
from tests.faults.campaign.results import different_values
from tests.faults.campaign.runner import DEADLINE, Runner, errors_in_the_log

Object = dict[str, Any]
_REFUSED = (400, 422)
# Seconds of the loop's clock in which the status does not change at its end.
_CALM = 5.0
_REASON = re.compile(r"[A-Z][A-Za-z]+")


@dataclass(frozen=True)
class MutationOutcome:
    """The result of a mutation.

    Attributes:
        mutation: name of the mutation.
        refused: whether the API server refused it.
        problem: what is wrong; empty when it passed.
    """

    mutation: str
    refused: bool = False
    problem: str = ""


@dataclass
class MutationRunner:
    """Applies mutations to one object after the other.

    Attributes:
        runner: of the campaign.
        subject: the object.
        schema: of its spec.
    """

    runner: Runner
    subject: Subject
    schema: Schema

    async def outcomes(self, mutations: list[Mutation]) -> list[MutationOutcome]:
        """Run mutations. After a failed one, the next ones have a new object."""
        found: list[MutationOutcome] = []
        cluster = self.subject.cluster
        while len(found) < len(mutations):
            await cluster.use_new_namespace()
            async with cluster.operator(namespaces=self.subject.namespaces) as operator:
                await self.subject.prepare()
                await self._revert(operator)
                fresh = await self.subject.end_state()
                for mutation in mutations[len(found) :]:
                    found.append(await self._outcome(operator, mutation, fresh))
                    if found[-1].problem:
                        break
            await self.subject.remove()
            # The cluster deletes pods of nodes that do not exist after a while.
            cluster.skew["seconds"] += 60
            await self.runner.clean_up()
        return found

    async def _outcome(self, operator: Manager, mutation: Mutation, fresh: Mapping[str, Any]) -> MutationOutcome:
        name, spec = str(mutation), mutate(self.subject.spec, mutation, self.schema)
        try:
            with errors_in_the_log() as errors:
                try:
                    await self.subject.apply(spec)
                except ApiError as error:
                    return MutationOutcome(name, refused=True, problem=_unclear(error, mutation))
                problems = list(inconsistencies(await self._settled()))
                await self._revert(operator)
                problems += different_values("after the revert", await self.subject.end_state(), fresh)
        except (Exception, pytest.fail.Exception) as failure:  # noqa: BLE001  (it must not end the others)
            return MutationOutcome(name, problem=f"{type(failure).__name__}: {failure}")
        return MutationOutcome(name, problem="\n".join([*problems, *errors]))

    async def _revert(self, operator: Manager) -> None:
        async with asyncio.timeout(DEADLINE):
            await self.subject.apply(self.subject.spec)
            await self.subject.converge(operator)

    async def _settled(self) -> Object:
        """Wait until the status is of this generation and no longer changes; return the object."""
        loop = asyncio.get_running_loop()
        began = changed = loop.time()
        before: Object = {}
        while True:
            found = await self.subject.get()
            if found != before:
                before, changed = found, loop.time()
            is_current = found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]
            if is_current and loop.time() - changed >= _CALM and not _is_progressing(found):
                return found
            if loop.time() - began > self.subject.longest:
                return found
            await asyncio.sleep(1.0)


def inconsistencies(obj: Object) -> Iterator[str]:
    """Yield what contradicts itself in the status of an object that has settled."""
    status, generation = obj.get("status") or {}, obj["metadata"]["generation"]
    if status.get("observedGeneration") != generation:
        yield f"observedGeneration is {status.get('observedGeneration')}, and generation {generation}"
    conditions = {item["type"]: item for item in status.get("conditions", ())}
    if len(conditions) != len(status.get("conditions", ())):
        yield "a condition occurs twice"
    for condition in conditions.values():
        yield from _faults_of(condition, generation)
    ready, stalled = (conditions.get(name, {}).get("status") for name in ("Ready", "Stalled"))
    if ready not in ("True", "False", "Unknown"):
        yield "Ready is missing"
    if ready == stalled == "True":
        yield "Ready and Stalled are True"
    if ready == "True" and (rolled_back := (status.get("rollout") or {}).get("rolledBack")):
        yield f"Ready is True after a rollback: {rolled_back}"


def _faults_of(condition: Object, generation: int) -> Iterator[str]:
    name = condition["type"]
    if condition.get("observedGeneration") != generation:
        yield f"{name} is of generation {condition.get('observedGeneration')}, not {generation}"
    if not _REASON.fullmatch(condition.get("reason", "")):
        yield f"{name} has the reason {condition.get('reason')!r}"
    if condition["status"] == "False" and not condition.get("message"):
        yield f"{name} is False without a message"


def _unclear(error: ApiError, mutation: Mutation) -> str:
    """Return what is missing in the message about a refused mutation."""
    # An API server answers 500 to an apply of a list that lacks a key.
    if error.code not in _REFUSED and "failed to create typed patch object" not in error.message:
        return f"refused with {error.code}: {error.message}"
    names = [part for part in mutation.path if isinstance(part, str)]
    return "" if any(name in error.message for name in names) else f"the message names no field: {error.message}"


def _is_progressing(obj: Object) -> bool:
    conditions = {item["type"]: item["status"] for item in obj["status"].get("conditions", ())}
    return conditions.get("Ready") != "True" and conditions.get("Reconciling") == "True"
