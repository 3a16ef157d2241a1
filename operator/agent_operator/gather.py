"""What an agent refers to: read, hashed, remembered for a short while.

Secrets and ConfigMaps of others are never listed or watched: that would need the right to read all of them. They are
read one by one, by name, where an AgentDeployment names them, and looked at again after some seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b, sha256

from agent_operator import names, secret_problems
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.cluster import Cluster
from agent_operator.conditions import Problem
from agent_operator.kinds import CONFIG_MAP, SECRET, SERVICE_ACCOUNT
from agent_operator.objects import Object, Ref
from agent_operator.spec import credentials
from agent_operator.spec.inputs import Inputs, Platform

_HASH_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Gathered:
    """Inputs for render, and what is wrong with the references.

    Attributes:
        inputs: for render.
        refers: whether anything was referred to, and is to be looked at again.
        uses_secrets: whether credentials come from a Secret that others make.
        secrets: what is wrong with it.
        account: annotations of the ServiceAccount that the agent names; None when it names none, or there is none.
    """

    inputs: Inputs
    refers: bool = False
    uses_secrets: bool = False
    secrets: Problem | None = None
    account: Mapping[str, str] | None = None


class References:
    """Reads referenced objects; what was read is believed for `lifetime` seconds, what was missing is not."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float], lifetime: float) -> None:
        self.lifetime = lifetime
        self._cluster = cluster
        self._clock = clock
        # Of a Secret only a hash a key is kept, of a ConfigMap the text, of a ServiceAccount the annotations.
        self._known: dict[Ref, tuple[float, Mapping[str, str]]] = {}

    async def gather(self, agent: AgentDeployment, platform: Platform) -> Gathered:
        """Read what the agent refers to; ApiError when that fails for another reason than absence."""
        inputs = Inputs(agent=agent, platform=platform)
        prompt = agent.spec.system_prompt and agent.spec.system_prompt.config_map_key_ref
        if prompt:
            # A prompt is the user's configuration, and so beside the AgentDeployment; a Secret is beside the pods.
            data = await self._data(Ref(CONFIG_MAP.kind, inputs.own_namespace, prompt.name))
            inputs = replace(inputs, prompt_template=(data or {}).get(prompt.key))
        account = await self._account(inputs)
        given = agent.spec.credentials
        if given is None or given.values is not None or not (given.secret_ref or given.external_secret):
            return Gathered(inputs, refers=bool(prompt) or _names_account(inputs), account=account)
        name = given.secret_ref.name if given.secret_ref else names.secret(inputs.name)
        found = await self._data(Ref(SECRET.kind, inputs.namespace, name))
        problem = secret_problems.fault(inputs, name, found)
        if problem is None and found is not None:
            inputs = replace(inputs, secret_hash=_salted(inputs, found))
        return Gathered(inputs, refers=True, uses_secrets=True, secrets=problem, account=account)

    async def _account(self, inputs: Inputs) -> Mapping[str, str] | None:
        if not _names_account(inputs):
            return None
        return await self._data(Ref(SERVICE_ACCOUNT.kind, inputs.namespace, inputs.service_account))

    async def _data(self, target: Ref) -> Mapping[str, str] | None:
        now = self._clock()
        read, data = self._known.get(target, (0.0, None))
        if data is not None and now - read < self.lifetime:
            return data
        obj = await self._cluster.find(target, "v1")
        self._forget_old(now)
        if obj is None:
            return None
        known = _kept(target.kind, obj)
        self._known[target] = (now, known)
        return known

    def _forget_old(self, now: float) -> None:
        for target in [target for target, (read, _) in self._known.items() if now - read >= 2 * self.lifetime]:
            del self._known[target]


def _names_account(inputs: Inputs) -> bool:
    account = inputs.spec.identity.service_account if inputs.spec.identity else None
    return account is not None and account.name is not None


def _kept(kind: str, obj: Object) -> Mapping[str, str]:
    """Return what is remembered of an object."""
    if kind == SERVICE_ACCOUNT.kind:
        return obj["metadata"].get("annotations") or {}
    data: Mapping[str, str] = obj.get("data") or {}
    if kind == SECRET.kind:
        return {key: blake2b(value.encode(), digest_size=16).hexdigest() for key, value in data.items()}
    return data


def _salted(inputs: Inputs, found: Mapping[str, str]) -> str:
    """Hash of the keys that the pods read. Salted by the agent, so that equal secrets of two agents do not show."""
    digest = sha256(inputs.agent.metadata.uid.encode())
    for key in sorted(credentials.keys(inputs), key=lambda key: key.name):
        if key.name in found:
            digest.update(f"\0{key.name}\0{found[key.name]}".encode())
    return digest.hexdigest()[:_HASH_LENGTH]
