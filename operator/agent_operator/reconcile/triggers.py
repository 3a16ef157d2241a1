"""Which agents an event puts into the work queue.

kopf delivers the events of AgentDeployments, which users write. Informers deliver those of children, which the operator
writes, and of AgentRuntimeChannels, whose CustomResourceDefinition may be installed later.
"""

from agent_operator.fleet.members import followed_channel
from agent_operator.kube.cache import Store
from agent_operator.kube.objects import Key, Object
from agent_operator.kube.workqueue import Queue, Trigger


class Triggers:
    """Updates the cache and queues agents."""

    def __init__(self, store: Store, queue: Queue) -> None:
        self._store = store
        self._queue = queue

    def agent_event(self, event: str, obj: Object) -> None:
        """Process an event of an AgentDeployment."""
        meta = obj["metadata"]
        name = Key(meta.get("namespace", ""), meta["name"])
        before, sharing = self._store.agent(name), self._store.routes.sharing(name)
        key = self._store.observe_agent(event, obj)
        for other in sharing ^ self._store.routes.sharing(name):
            self._queue.add(other, Trigger.CHILD)
        if key is not None:
            # The event of a status patch must not end the backoff.
            edited = before is None or before.generation != meta.get("generation", 0)
            self._queue.add(key, Trigger.AGENT if edited else Trigger.CHILD)

    def child_changed(self, key: Key) -> None:
        """Queue the agent of a child that changed."""
        if self._store.agent(key) is not None:
            self._queue.add(key, Trigger.CHILD)

    def channel_changed(self, channel: Key) -> None:
        """Queue the agents that follow a channel."""
        for key in self._store.agents:
            agent = self._store.agent(key)
            if agent is not None and followed_channel(agent.object) == channel.name:
                self._queue.add(key, Trigger.API)

    def api_changed(self) -> None:
        """Queue all agents, because the API server began or ceased to serve a kind."""
        for key in self._store.agents:
            self._queue.add(key, Trigger.API)
