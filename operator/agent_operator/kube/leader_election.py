"""Leader election with a Lease, like client-go: lease duration 15 s, renew deadline 10 s, retry period 2 s.

The leader election of kubernetes.aio never releases the Lease, uses the wall clock, and does not count transitions.
With a release a handover takes 2 s instead of 15 s.
"""

import asyncio
import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from agent_operator.kube.client import Cluster
from agent_operator.kube.fence import Fence
from agent_operator.kube.heartbeat import Heartbeat
from agent_operator.kube.objects import Object
from agent_operator.kube.transport import ApiError

log = logging.getLogger(__name__)

DURATION = 15.0
DEADLINE = 10.0
RETRY = 2.0
_RELEASE_ATTEMPTS = 3


class LeadershipLost(Exception):  # noqa: N818  (an event, not an error)
    """Another replica holds the Lease, or may acquire it. The process must not write any more."""


class LeaderElector:
    """A candidate for the Lease. It opens the fence until the renew deadline, and closes it when it does not lead."""

    def __init__(
        self, cluster: Cluster, namespace: str, name: str, identity: str, fence: Fence, heartbeat: Heartbeat
    ) -> None:
        """Create a candidate.

        Args:
            cluster: client of the API server, which no other part uses.
            namespace: namespace of the Lease.
            name: name of the Lease.
            identity: the value of holderIdentity.
            fence: refuses writes while this candidate does not lead. Its clock is the clock of the election.
            heartbeat: records the responses to requests for the Lease.
        """
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._fence = fence
        self._clock = fence.clock
        self._heartbeat = heartbeat
        self._observed: tuple[Any, ...] = ()
        self._observed_at = 0.0
        self._lease: Object | None = None

    async def acquire(self) -> None:
        """Wait until this candidate holds the Lease."""
        while not await self._try_acquire_or_renew():  # noqa: ASYNC110  (the event is in another process)
            await asyncio.sleep(RETRY)
        log.info("acquired the lease", extra={"lease": self._name, "identity": self._identity})

    async def renew(self) -> None:
        """Renew the Lease forever.

        Raises:
            LeadershipLost: the renew deadline passed, or another replica holds the Lease.
        """
        renewed = self._clock()
        while True:
            await asyncio.sleep(RETRY)
            try:
                async with asyncio.timeout(max(0.1, renewed + DEADLINE - self._clock())):
                    if await self._try_acquire_or_renew():
                        renewed = self._clock()
            except TimeoutError:
                pass
            if self._clock() - renewed >= DEADLINE:
                self._step_down()
                raise LeadershipLost(f"the Lease {self._name} was not renewed within {DEADLINE:.0f} s")

    async def _try_acquire_or_renew(self) -> bool:
        """Acquire or renew the Lease. Returns False if another replica holds it, or if the request fails."""
        began = self._clock()
        try:
            live = await self._cluster.find_lease(self._namespace, self._name)
            if live is not None and not self._is_available(live):
                if self._lease is not None:
                    self._step_down()
                    raise LeadershipLost(f"another replica holds the Lease {self._name}")
                self._report(None)
                return False
            self._lease = await self._cluster.write_lease(self._lease_to_write(live))
        except ApiError as error:
            self._report(error if error.code != HTTPStatus.CONFLICT else None)
            return False
        # Counted from before the requests: other candidates count from when they observe the write.
        self._fence.open_until(began + DEADLINE)
        self._report(None)
        return True

    def _step_down(self) -> None:
        self._lease = None
        self._fence.close()

    def _report(self, error: ApiError | None) -> None:
        if error is None or error.code:
            self._heartbeat.beat()
        if error is None:
            self._heartbeat.succeed()
            return
        self._heartbeat.fail(f"{error.code} {error.reason}" if error.code else error.reason)
        log.warning(
            "the lease was not written", extra={"lease": self._name, "code": error.code, "reason": error.reason}
        )

    def _is_available(self, lease: Object) -> bool:
        """Report whether this candidate holds the Lease, or it was released, or expired by the local clock."""
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity")
        if not holder or holder == self._identity:
            return True
        state = (holder, spec.get("renewTime"), spec.get("leaseTransitions"))
        if state != self._observed:
            self._observed, self._observed_at = state, self._clock()
        duration: float = spec.get("leaseDurationSeconds") or DURATION
        return self._clock() - self._observed_at >= duration

    def _lease_to_write(self, live: Object | None) -> Object:
        now = _micro_time()
        spec = (live or {}).get("spec") or {}
        renewal = spec.get("holderIdentity") == self._identity
        meta: Object = {"name": self._name, "namespace": self._namespace}
        if live is not None:
            meta["resourceVersion"] = live["metadata"]["resourceVersion"]
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": meta,
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": int(DURATION),
                "acquireTime": spec.get("acquireTime", now) if renewal else now,
                "renewTime": now,
                "leaseTransitions": (spec.get("leaseTransitions") or 0) + (live is not None and not renewal),
            },
        }

    async def release(self) -> None:
        """Release the Lease, so that the next leader need not wait for its expiry."""
        if self._lease is None:
            return
        self._step_down()
        for _ in range(_RELEASE_ATTEMPTS):
            try:
                # Cancellation may have cut off a renewal that the API server wrote, so a known version may be stale.
                live = await self._cluster.find_lease(self._namespace, self._name)
                if live is None or (live.get("spec") or {}).get("holderIdentity") != self._identity:
                    return
                lease = self._lease_to_write(live)
                # Delete the field, because the API server rejects an empty holder.
                del lease["spec"]["holderIdentity"]
                lease["spec"]["leaseDurationSeconds"] = 1
                await self._cluster.write_lease(lease)
            except ApiError as error:
                log.warning(
                    "the lease was not released",
                    extra={"lease": self._name, "code": error.code, "reason": error.reason},
                )
                if error.code == HTTPStatus.CONFLICT:
                    continue
            return


def _micro_time() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
