"""The Secrets that the operator makes of credentials.values: read by name, as those of others are.

To watch them would take the right to list all Secrets of the cluster, for RBAC knows no labels. So a change by somebody
else is noticed after some seconds, and not at once.
"""

from collections.abc import Callable

from agent_operator.api import constants
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Key, Live, Object, Ref, agent_key, pack
from agent_operator.kube.resources import SECRET


class OwnSecrets:
    """What was read or written last; believed for `lifetime` seconds."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float], lifetime: float) -> None:
        self._cluster = cluster
        self._clock = clock
        self._lifetime = lifetime
        self._known: dict[Ref, tuple[float, Live]] = {}

    async def look(self, key: Key, agent: Object) -> dict[Ref, Live] | None:
        """Return the agent's Secret, if there is one; None when none is wanted, and none was made before.

        Args:
            key: of the agent.
            agent: the AgentDeployment as the API server has it, valid or not.

        Raises:
            ApiError: it cannot be read.
        """
        target = _target(key, agent)
        if not (_wanted(agent) or _listed(agent, target)):
            return None
        now = self._clock()
        read, live = self._known.get(target, (0.0, None))
        if live is None or now - read >= self._lifetime:
            self._forget_old(now)
            found = await self._cluster.find(target, SECRET.versions[0])
            if found is None or agent_key(found) != key:
                self._known.pop(target, None)
                return {}
            live = pack(target.kind, found)
            self._known[target] = (now, live)
        return {target: live}

    def wrote(self, target: Ref, live: Live) -> None:
        """Take in what the API server answered to a write."""
        self._known[target] = (self._clock(), live)

    def deleted(self, target: Ref) -> None:
        """Take in that it is gone."""
        self._known.pop(target, None)

    async def find(self, key: Key, agent: Object) -> Object | None:
        """Read an agent's Secret, uncached; None when there is none."""
        return await self._cluster.find(_target(key, agent), SECRET.versions[0])

    def _forget_old(self, now: float) -> None:
        for target in [target for target, (read, _) in self._known.items() if now - read >= 2 * self._lifetime]:
            del self._known[target]


def _target(key: Key, agent: Object) -> Ref:
    namespace = (agent["spec"].get("namespace") or {}).get("name") or key.namespace
    return Ref(SECRET.kind, namespace, constants.secret(key.name))


def _wanted(agent: Object) -> bool:
    return bool((agent["spec"].get("credentials") or {}).get("values"))


def _listed(agent: Object, target: Ref) -> bool:
    """Tell whether the status has it as a child: it may be left of an older spec."""
    children = (agent.get("status") or {}).get("children") or ()
    return any((child["kind"], child["name"]) == (target.kind, target.name) for child in children)
