"""Leader election in a thread with its own event loop and connections.

A computation can block the event loop of the reconciler, for example over a hostile object. If that loop renewed the
Lease, another replica would take over and compute the same. With a thread, the leader stays the leader until its
liveness probe fails and the kubelet restarts it.

The thread needs the GIL for a moment every two seconds. Python code yields it every 5 ms. But some calls into C keep
it: a regular expression, the parser of JSON, the conversion of a long number. If such a call takes longer than the
renew deadline, the fence refuses writes, and another replica may take over.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread

import aiohttp

from agent_operator.kube import leader_election
from agent_operator.kube.client import Cluster
from agent_operator.kube.fence import Fence
from agent_operator.kube.heartbeat import Heartbeat
from agent_operator.kube.leader_election import LeaderElector, LeadershipLost
from agent_operator.kube.transport import Transport
from agent_operator.tasks import unless

# One request without a response must leave time for another one before the renew deadline.
TIMEOUT = aiohttp.ClientTimeout(total=4, sock_connect=2)
_RELEASE_SECONDS = 5.0


class LeaseThread:
    """Acquires, renews and releases the Lease. The methods belong to the event loop of the reconciler.

    Attributes:
        fence: refuses writes while this process may not be the leader.
        heartbeat: activity of the requests for the Lease.
    """

    def __init__(
        self, connect: Callable[[], Transport], namespace: str, name: str, identity: str, clock: Callable[[], float]
    ) -> None:
        """Prepare the election. `connect` creates a client for the thread; `clock` is that of the heartbeat."""
        self.fence = Fence()
        self.heartbeat = Heartbeat(f"the Lease {namespace}/{name}", clock)
        self._connect = connect
        self._lease = namespace, name, identity
        self._acquired, self._stopping, self._ended = _future(), _future(), _future()
        # The end of the thread, for the event loop of the reconciler; None before the thread starts.
        self._end: asyncio.Future[None] | None = None

    async def acquire(self) -> None:
        """Start the thread, and wait until it holds the Lease.

        Raises:
            AccessError: there are no credentials for the API server.
        """
        end = self._end = asyncio.wrap_future(self._ended)
        self._start()
        await asyncio.wait({asyncio.wrap_future(self._acquired), end}, return_when=asyncio.FIRST_COMPLETED)
        if end.done():
            await end

    async def hold(self) -> None:
        """Wait until the Lease is lost.

        Raises:
            LeadershipLost: another replica holds the Lease, or may acquire it.
        """
        end = self._end
        if end is None:
            raise RuntimeError("acquire was not called")
        was_open = True
        while not (await asyncio.wait({end}, timeout=leader_election.DURATION))[0]:
            is_open = self.fence.is_open
            if not is_open and not was_open:
                raise LeadershipLost(f"the Lease {self._lease[1]} was not renewed, because its thread hangs")
            was_open = is_open
        await end

    async def release(self) -> None:
        """End the thread. It releases the Lease if it holds it."""
        self.fence.close()
        if self._end is None:
            return
        self._stopping.set_result(None)
        await asyncio.wait({self._end}, timeout=2 * _RELEASE_SECONDS)
        if self._end.done():
            # The process is stopping, so it no longer matters that the Lease was lost.
            self._end.exception()

    def _start(self) -> None:
        # A daemon, because a thread that hangs must not keep the process alive.
        Thread(target=lambda: asyncio.run(self._run()), name="lease", daemon=True).start()

    async def _run(self) -> None:
        try:
            await self._elect()
        except Exception as error:  # noqa: BLE001  (raised in the other thread)
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)
        finally:
            self.fence.close()

    async def _elect(self) -> None:
        stop = asyncio.Event()
        asyncio.wrap_future(self._stopping).add_done_callback(lambda _: stop.set())
        async with self._connect() as transport:
            elector = LeaderElector(Cluster(transport), *self._lease, self.fence, self.heartbeat)
            if not await unless(stop, elector.acquire()):
                return
            self._acquired.set_result(None)
            await unless(stop, elector.renew())
            with suppress(TimeoutError):
                async with asyncio.timeout(_RELEASE_SECONDS):
                    await elector.release()


def _future() -> "Future[None]":
    """Return a future that one thread sets. Nobody can cancel it."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future
