"""Reads the objects that an agent references, and caches them for a short time.

The operator never lists or watches the Secrets and ConfigMaps of users, because that requires the permission to read
all of them. It gets them by name where an AgentDeployment references them, and polls them for changes.
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
    """Inputs of rendering, and problems of the references.

    Attributes:
        inputs: inputs of rendering.
        refers: whether the agent references objects, which the operator must poll.
        uses_secrets: whether the agent references a Secret that the operator does not create.
        secrets: problem of a referenced Secret; None without one.
        account: annotations of the referenced ServiceAccount; None without a reference, or if it does not exist.
    """

    inputs: Inputs
    refers: bool = False
    uses_secrets: bool = False
    secrets: Problem | None = None
    account: Mapping[str, str] | None = None


class References:
    """Reads referenced objects. It caches an object that exists for `lifetime` seconds, and never caches absence."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float], lifetime: float) -> None:
        self.lifetime = lifetime
        self._cluster = cluster
        self._clock = clock
        # The cache contains one hash per key of a Secret, the data of a ConfigMap, the annotations of a ServiceAccount.
        self._cached: dict[Ref, tuple[float, Mapping[str, str]]] = {}

    async def gather(self, agent: AgentDeployment, platform: Platform, assigned: Assigned | None = None) -> Gathered:
        """Read the objects that an agent references.

        Raises:
            ApiError: an object cannot be read for a reason other than 404.
        """
        inputs = Inputs(agent=agent, platform=platform, assigned=assigned)
        prompt = agent.spec.system_prompt and agent.spec.system_prompt.config_map_key_ref
        if prompt:
            # The prompt is in the namespace of the AgentDeployment. Secrets are in the namespace of the pods.
            data = await self._data(Ref(CONFIG_MAP.kind, inputs.own_namespace, prompt.name))
            inputs = replace(inputs, prompt_template=(data or {}).get(prompt.key))
        checks_from = checks.reference(inputs) if inputs.has_canary else None
        if checks_from:
            data = await self._data(Ref(CONFIG_MAP.kind, inputs.own_namespace, checks_from.name))
            inputs = replace(inputs, checks_text=(data or {}).get(checks_from.key))
        account = await self._account(inputs)
        found = await self._sources(inputs)
        problem = secret_problems.secret_problem(inputs, found) if found else None
        if problem is None:
            inputs = replace(inputs, hashes=_hashes(inputs, found))
        return Gathered(
            inputs,
            refers=bool(prompt or checks_from or found) or _names_account(inputs),
            uses_secrets=any(target.kind == SECRET.kind for target in found),
            secrets=problem,
            account=account,
        )

    async def _sources(self, inputs: Inputs) -> dict[Ref, Mapping[str, str] | None]:
        """Read every Secret and ConfigMap in the environment of the pods, and those that must exist."""
        found: dict[Ref, Mapping[str, str] | None] = {}
        for source in (*references.required(inputs), *references.of(inputs)):
            target = Ref(source.kind, inputs.namespace, source.name)
            if target not in found and not references.is_own(inputs, source) and len(found) < references.LIMIT:
                found[target] = await self._data(target)
        return found

    async def _account(self, inputs: Inputs) -> Mapping[str, str] | None:
        if not _names_account(inputs):
            return None
        return await self._data(Ref(SERVICE_ACCOUNT.kind, inputs.namespace, inputs.service_account))

    async def _data(self, target: Ref) -> Mapping[str, str] | None:
        now = self._clock()
        read, data = self._cached.get(target, (0.0, None))
        if data is not None and now - read < self.lifetime:
            return data
        obj = await self._cluster.find(target, "v1")
        self._evict(now)
        if obj is None:
            return None
        content = _content(target.kind, obj)
        self._cached[target] = (now, content)
        return content

    def _evict(self, now: float) -> None:
        for target in [target for target, (read, _) in self._cached.items() if now - read >= 2 * self.lifetime]:
            del self._cached[target]


def _names_account(inputs: Inputs) -> bool:
    account = inputs.spec.identity.service_account if inputs.spec.identity else None
    return account is not None and account.name is not None


def _content(kind: str, obj: Object) -> Mapping[str, str]:
    """Return the part of an object that the cache keeps."""
    if kind == SERVICE_ACCOUNT.kind:
        return obj["metadata"].get("annotations") or {}
    data: Mapping[str, str] = obj.get("data") or {}
    if kind == SECRET.kind:
        return {key: blake2b(value.encode(), digest_size=16).hexdigest() for key, value in data.items()}
    return data


def _hashes(inputs: Inputs, found: Mapping[Ref, Mapping[str, str] | None]) -> Mapping[str, str]:
    """Hash the data that the pods read of each object. The agent's UID is a salt: hashes of equal Secrets differ."""
    keys: dict[str, set[str]] = {}
    for source in references.of(inputs):
        data = found.get(Ref(source.kind, inputs.namespace, source.name))
        if data is not None:
            read_keys = data.keys() if source.key is None else {source.key} & data.keys()
            keys.setdefault(source.title, set()).update(f"{key}\0{data[key]}" for key in read_keys)
    return {title: _digest([inputs.agent.metadata.uid, title, *sorted(read)]) for title, read in keys.items()}


def _digest(texts: Iterable[str]) -> str:
    return sha256("\0\0".join(texts).encode()).hexdigest()[:_HASH_LENGTH]
