"""A queue of keys without duplicates, with delayed additions."""

import asyncio

from localkube.meta.objects import Key


class WorkQueue:
    """Keys in the order of their addition. A key that is in the queue is not added again. For one consumer."""

    def __init__(self) -> None:
        self._keys: dict[Key, None] = {}
        self._filled = asyncio.Event()
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: Key) -> None:
        """Queue a key now."""
        self._keys.setdefault(key)
        self._filled.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Queue a key after a delay in seconds. Of two delays for one key, the shorter one counts."""
        loop = asyncio.get_running_loop()
        due = loop.time() + max(seconds, 0)
        timer = self._timers.get(key)
        if timer is not None and not timer.cancelled():
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self._on_timer, key)

    def _on_timer(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def get(self) -> Key:
        """Remove and return the next key; wait if there is none."""
        while not self._keys:
            self._filled.clear()
            await self._filled.wait()
        key = next(iter(self._keys))
        del self._keys[key]
        return key

    def close(self) -> None:
        """Cancel delayed additions."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
