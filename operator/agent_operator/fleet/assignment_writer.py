"""Writes the assignments of a channel to status.channel of its agents, a bounded number at a time.

A channel can have thousands of new agents at once. The controller plans again after each batch, so the agents of other
tenants, and those of other channels, do not wait for all of them.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from agent_operator.kube.cache import Store
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Key, Object
from agent_operator.kube.transport import ApiError

log = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0
_BATCH = 64
_MAX_CONCURRENT_WRITES = 8
# A write without a response must not delay the other agents. It is repeated by the next plan.
_WRITE_SECONDS = 5.0

# An agent, its UID, and the value of status.channel; None removes it.
Assignment = tuple[Key, str, Mapping[str, Any] | None]


class AssignmentWriter:
    """Writes batches of assignments. `on_written` receives each agent as the API server returned it."""

    def __init__(self, cluster: Cluster, store: Store, on_written: Callable[[Object], None]) -> None:
        self._cluster = cluster
        self._store = store
        self._on_written = on_written

    async def write(self, assignments: Iterable[Assignment]) -> float | None:
        """Write a batch, alternating between namespaces.

        Returns:
            Seconds after which the rest must be planned again; None if all were written.
        """
        ordered = alternate(assignments)
        slots = asyncio.Semaphore(_MAX_CONCURRENT_WRITES)

        async def write_one(assignment: Assignment) -> bool:
            async with slots:
                return await self._write(*assignment)

        written = await asyncio.gather(*(write_one(assignment) for assignment in ordered[:_BATCH]))
        if not all(written):
            return _RETRY_SECONDS
        return 0.0 if len(ordered) > _BATCH else None

    async def _write(self, key: Key, uid: str, use: Mapping[str, Any] | None) -> bool:
        """Write one assignment. Returns False when it must be retried."""
        extra: dict[str, Any] = {"agent": str(key)}
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                written = await self._cluster.patch_status(key, uid, {"channel": use})
        except TimeoutError:
            log.warning("version not assigned: no response from the API server", extra=extra)
            return False
        except ApiError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                self._store.forget(key, uid)
                return True
            log.warning("version not assigned", extra=extra | {"code": error.code, "reason": error.reason})
            # The API server answers 422 when the UID differs: the agent was replaced, and its watch event follows.
            return error.code == HTTPStatus.UNPROCESSABLE_ENTITY
        self._on_written(written)
        return True


def alternate(assignments: Iterable[Assignment]) -> Sequence[Assignment]:
    """Order assignments so that the namespaces take turns. Within a namespace, the order is kept."""
    turns: dict[str, int] = {}
    numbered = []
    for position, assignment in enumerate(assignments):
        namespace = assignment[0].namespace
        turns[namespace] = turn = turns.get(namespace, 0) + 1
        numbered.append((turn, position, assignment))
    return [assignment for _, _, assignment in sorted(numbered, key=lambda it: it[:2])]
