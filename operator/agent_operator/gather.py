"""What an agent refers to: read, hashed, remembered for a short while.

Secrets and ConfigMaps of others are never listed or watched: that would need the right to read all of them. They are
read one by one, by name, where an AgentDeployment names them, and looked at again after some seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b, sha256

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.cluster import Cluster
from agent_operator.conditions import Problem
from agent_operator.kinds import CONFIG_MAP, SECRET
from agent_operator.objects import Object, Ref
from agent_operator.reasons import Reason
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
    """

    inputs: Inputs
    refers: bool = False
    uses_secrets: bool = False
    secrets: Problem | None = None


class References:
    """Reads referenced objects; what was read is believed for `lifetime` seconds, what was missing is not."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float], lifetime: float) -> None:
        self.lifetime = lifetime
        self._cluster = cluster
        self._clock = clock
        # Of a Secret only a hash a key is kept, of a ConfigMap the text: it is what render needs.
        self._known: dict[Ref, tuple[float, Mapping[str, str]]] = {}

    async def gather(self, agent: AgentDeployment, platform: Platform) -> Gathered:
        """Read what the agent refers to; ApiError when that fails for another reason than absence."""
        inputs = Inputs(agent=agent, platform=platform)
        prompt = agent.spec.system_prompt and agent.spec.system_prompt.config_map_key_ref
        if prompt:
            # A prompt is the user's configuration, and so beside the AgentDeployment; a Secret is beside the pods.
            data = await self._data(Ref(CONFIG_MAP.kind, inputs.own_namespace, prompt.name))
            inputs = replace(inputs, prompt_template=(data or {}).get(prompt.key))
        given = agent.spec.credentials
        if given is None or given.values is not None:
            return Gathered(inputs, refers=bool(prompt))
        name = given.secret_ref.name if given.secret_ref else credentials.keys(inputs)[0].secret
        found = await self._data(Ref(SECRET.kind, inputs.namespace, name))
        problem = _fault(inputs, name, found)
        if problem is None and found is not None:
            inputs = replace(inputs, secret_hash=_salted(inputs, found))
        return Gathered(inputs, refers=True, uses_secrets=True, secrets=problem)

    async def _data(self, target: Ref) -> Mapping[str, str] | None:
        now = self._clock()
        read, data = self._known.get(target, (0.0, None))
        if data is not None and now - read < self.lifetime:
            return data
        obj = await self._cluster.find(target, "v1")
        self._forget_old(now)
        if obj is None:
            return None
        known = _hashes(obj) if target.kind == SECRET.kind else {**(obj.get("data") or {})}
        self._known[target] = (now, known)
        return known

    def _forget_old(self, now: float) -> None:
        for target in [target for target, (read, _) in self._known.items() if now - read >= 2 * self.lifetime]:
            del self._known[target]


def _hashes(secret: Object) -> Mapping[str, str]:
    return {
        key: blake2b(value.encode(), digest_size=16).hexdigest() for key, value in (secret.get("data") or {}).items()
    }


def _salted(inputs: Inputs, found: Mapping[str, str]) -> str:
    """Hash of the keys that the pods read. Salted by the agent, so that equal secrets of two agents do not show."""
    digest = sha256(inputs.agent.metadata.uid.encode())
    for key in sorted(credentials.keys(inputs), key=lambda key: key.name):
        if key.name in found:
            digest.update(f"\0{key.name}\0{found[key.name]}".encode())
    return digest.hexdigest()[:_HASH_LENGTH]


def _fault(inputs: Inputs, name: str, found: Mapping[str, str] | None) -> Problem | None:
    external = inputs.spec.credentials is not None and inputs.spec.credentials.external_secret is not None
    where = f"Secret {inputs.namespace}/{name}"
    if found is None and external:
        return Problem(
            Reason.SECRET_NOT_SYNCED,
            f"{where} is not there yet: External Secrets makes it; see the status of ExternalSecret {name}",
        )
    if found is None:
        return Problem(
            Reason.SECRET_MISSING,
            f"spec.credentials.secretRef.name: {where} does not exist: create it, or correct the name",
        )
    missing = [key.name for key in credentials.keys(inputs) if not key.optional and key.name not in found]
    if missing:
        listed = ", ".join(missing)
        return Problem(
            Reason.SECRET_KEY_MISSING,
            f"{where} lacks {listed}: add it to the Secret, or remove it from spec.credentials",
        )
    return None
