"""What an agent refers to: read, hashed, remembered for a short while.

Secrets and ConfigMaps of others are never listed or watched: that would need the right to read all of them. They are
read one by one, by name, where an AgentDeployment names them, and looked at again after some seconds.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b, sha256

from agent_operator.api.problems import Problem
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs import checks, references, secret_problems
from agent_operator.inputs.agent_inputs import Assigned, Inputs, Platform
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Object, Ref
from agent_operator.kube.resources import CONFIG_MAP, SECRET, SERVICE_ACCOUNT

_HASH_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Gathered:
    """Inputs for render, and what is wrong with the references.

    Attributes:
        inputs: for render.
        refers: whether anything was referred to, and is to be looked at again.
        uses_secrets: whether the agent needs a Secret that others make.
        secrets: what is wrong with one.
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

    async def gather(self, agent: AgentDeployment, platform: Platform, assigned: Assigned | None = None) -> Gathered:
        """Read what the agent refers to; ApiError when that fails for another reason than absence."""
        inputs = Inputs(agent=agent, platform=platform, assigned=assigned)
        prompt = agent.spec.system_prompt and agent.spec.system_prompt.config_map_key_ref
        if prompt:
            # A prompt is the user's configuration, and so beside the AgentDeployment; a Secret is beside the pods.
            data = await self._data(Ref(CONFIG_MAP.kind, inputs.own_namespace, prompt.name))
            inputs = replace(inputs, prompt_template=(data or {}).get(prompt.key))
        kept = checks.reference(inputs) if inputs.has_canary else None
        if kept:
            data = await self._data(Ref(CONFIG_MAP.kind, inputs.own_namespace, kept.name))
            inputs = replace(inputs, checks_text=(data or {}).get(kept.key))
        account = await self._account(inputs)
        found = await self._sources(inputs)
        problem = secret_problems.fault(inputs, found) if found else None
        if problem is None:
            inputs = replace(inputs, hashes=_hashes(inputs, found))
        return Gathered(
            inputs,
            refers=bool(prompt or kept or found) or _names_account(inputs),
            uses_secrets=any(target.kind == SECRET.kind for target in found),
            secrets=problem,
            account=account,
        )

    async def _sources(self, inputs: Inputs) -> dict[Ref, Mapping[str, str] | None]:
        """Read every Secret and ConfigMap that the pods' environment is made of, and those that must be there."""
        found: dict[Ref, Mapping[str, str] | None] = {}
        for source in (*references.needed(inputs), *references.of(inputs)):
            target = Ref(source.kind, inputs.namespace, source.name)
            if target not in found and not references.is_made_here(inputs, source) and len(found) < references.MOST:
                found[target] = await self._data(target)
        return found

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


def _hashes(inputs: Inputs, found: Mapping[Ref, Mapping[str, str] | None]) -> Mapping[str, str]:
    """Hash what the pods read of each object. Salted by the agent, so that equal secrets of two do not show."""
    keys: dict[str, set[str]] = {}
    for source in references.of(inputs):
        data = found.get(Ref(source.kind, inputs.namespace, source.name))
        if data is not None:
            wanted = data.keys() if source.key is None else {source.key} & data.keys()
            keys.setdefault(source.title, set()).update(f"{key}\0{data[key]}" for key in wanted)
    return {title: _digest([inputs.agent.metadata.uid, title, *sorted(read)]) for title, read in keys.items()}


def _digest(texts: Iterable[str]) -> str:
    return sha256("\0\0".join(texts).encode()).hexdigest()[:_HASH_LENGTH]
