"""Leader election by a Lease, as client-go does it: 15 s of lease, 10 s to renew, a try each 2 s.

kubernetes.aio has one too, but it never gives the Lease back, measures with the wall clock, and leaves its transitions
uncounted; giving back is what makes a handover take two seconds instead of fifteen.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from agent_operator.kube.client import Cluster
from agent_operator.kube.heartbeat import Heartbeat
from agent_operator.kube.objects import Object
from agent_operator.kube.transport import ApiError

log = logging.getLogger(__name__)

DURATION = 15.0
DEADLINE = 10.0
RETRY = 2.0
_RELEASE_ATTEMPTS = 3


class LeadershipLost(Exception):  # noqa: N818  (says what happened)
    """Somebody else leads, or may. Nothing must be written any more."""


class LeaderElector:
    """One candidate for one Lease.

    Attributes:
        heartbeat: whether the API server is heard of, and lets the Lease be read and written.
    """

    def __init__(self, cluster: Cluster, namespace: str, name: str, identity: str, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._clock = clock
        self.heartbeat = Heartbeat(f"the Lease {namespace}/{name}", clock)
        self._observed: tuple[Any, ...] = ()
        self._observed_at = 0.0
        self._lease: Object | None = None

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        while not await self._try_acquire_or_renew():  # noqa: ASYNC110  (what is waited for happens in another process)
            await asyncio.sleep(RETRY)
        log.info("leading", extra={"lease": self._name, "identity": self._identity})

    async def renew(self) -> None:
        """Renew the Lease for ever.

        Raises:
            LeadershipLost: it could not be renewed in time, or is another's.
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
                self._lease = None
                raise LeadershipLost(f"the Lease {self._name} could not be renewed in {DEADLINE:.0f} s")

    async def _try_acquire_or_renew(self) -> bool:
        """Take or renew the Lease; False when it is another's, or the API server is in trouble."""
        try:
            there = await self._cluster.find_lease(self._namespace, self._name)
            if there is not None and not self._is_available(there):
                if self._lease is not None:
                    # Ours was taken: the other is in the right.
                    self._lease = None
                    raise LeadershipLost(f"the Lease {self._name} is another's now")
                self._report(None)
                return False
            self._lease = await self._cluster.write_lease(self._lease_to_write(there))
        except ApiError as error:
            self._report(error if error.code != HTTPStatus.CONFLICT else None)
            return False
        self._report(None)
        return True

    def _report(self, error: ApiError | None) -> None:
        if error is None or error.code:
            self.heartbeat.beat()
        if error is None:
            self.heartbeat.succeed()
            return
        self.heartbeat.fail(f"{error.code} {error.reason}" if error.code else error.reason)
        log.warning("lease not written", extra={"lease": self._name, "code": error.code, "reason": error.reason})

    def _is_available(self, lease: Object) -> bool:
        """Tell whether it is ours, given back, or has not been renewed for its duration, by our own clock."""
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity")
        if not holder or holder == self._identity:
            return True
        state = (holder, spec.get("renewTime"), spec.get("leaseTransitions"))
        if state != self._observed:
            self._observed, self._observed_at = state, self._clock()
        duration: float = spec.get("leaseDurationSeconds", DURATION)
        return self._clock() - self._observed_at >= duration

    def _lease_to_write(self, there: Object | None) -> Object:
        now = _micro_time()
        spec = (there or {}).get("spec") or {}
        ours = spec.get("holderIdentity") == self._identity
        meta: Object = {"name": self._name, "namespace": self._namespace}
        if there is not None:
            meta["resourceVersion"] = there["metadata"]["resourceVersion"]
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": meta,
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": int(DURATION),
                "acquireTime": spec.get("acquireTime", now) if ours else now,
                "renewTime": now,
                "leaseTransitions": spec.get("leaseTransitions", 0) + (there is not None and not ours),
            },
        }

    async def release(self) -> None:
        """Give the Lease back, so that another need not wait for it to run out."""
        if self._lease is None:
            return
        self._lease = None
        for _ in range(_RELEASE_ATTEMPTS):
            try:
                # The end may have cut off a renewal that the API server did write: remembered versions may be old.
                there = await self._cluster.find_lease(self._namespace, self._name)
                if there is None or (there.get("spec") or {}).get("holderIdentity") != self._identity:
                    return
                lease = self._lease_to_write(there)
                # Absent: an API server refuses an empty holder.
                del lease["spec"]["holderIdentity"]
                lease["spec"]["leaseDurationSeconds"] = 1
                await self._cluster.write_lease(lease)
            except ApiError as error:
                log.warning(
                    "lease not given back", extra={"lease": self._name, "code": error.code, "reason": error.reason}
                )
                if error.code == HTTPStatus.CONFLICT:
                    continue
            return


def _micro_time() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
