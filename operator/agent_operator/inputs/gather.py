"""Reads the objects that an agent references, and caches them for a short time.

The operator never lists or watches the Secrets and ConfigMaps of users, because that requires the permission to read
all of them. It gets them by name where an AgentDeployment references them, and polls them for changes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from http import HTTPStatus

from agent_operator.api.problems import Problem, ProblemError
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs import checks, endpoints, references, secret_problems, service_targets
from agent_operator.inputs.agent_inputs import Assigned, Inputs, Platform
from agent_operator.inputs.ingress_references import IngressReferences
from agent_operator.inputs.reference_cache import ReferenceCache
from agent_operator.inputs.service_targets import ServiceTarget
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Ref
from agent_operator.kube.resources import CONFIG_MAP, SECRET, SERVICE, SERVICE_ACCOUNT
from agent_operator.kube.transport import ApiError

MAX_ENVIRONMENT_CHARS = 2 * 1024 * 1024
"""Length of the ConfigMap data in the environment of a pod. Linux starts no program with a larger environment."""
_HASH_LENGTH = 16
_TOO_LARGE = Problem(
    Reason.REFERENCE_TOO_LARGE,
    "spec.env",
    f"the ConfigMaps in the environment of the pods have more than {MAX_ENVIRONMENT_CHARS} characters: mount them as "
    "volumes, or reference single keys",
    retry=True,
)


@dataclass(frozen=True, slots=True)
class Gathered:
    """Inputs of rendering, and problems of the references.

    Attributes:
        inputs: inputs of rendering.
        refers: whether the agent references objects, which the operator must poll.
        uses_secrets: whether the agent references a Secret that the operator does not create.
        secrets: problem of a referenced Secret; None without one.
        account: annotations of the referenced ServiceAccount; None without a reference, or if it does not exist.
        warnings: what the Ingress names, but does not exist.
    """

    inputs: Inputs
    refers: bool = False
    uses_secrets: bool = False
    secrets: Problem | None = None
    account: Mapping[str, str] | None = None
    warnings: tuple[Problem, ...] = ()


class References:
    """Reads referenced objects. It caches an object that exists for `lifetime` seconds, and never caches absence."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float], lifetime: float) -> None:
        self._cluster = cluster
        self._cache = ReferenceCache(clock, lifetime)
        self._of_ingresses = IngressReferences(cluster, clock, lifetime)

    async def gather(self, agent: AgentDeployment, platform: Platform, assigned: Assigned | None = None) -> Gathered:
        """Read the objects that an agent references.

        Raises:
            ApiError: an object cannot be read for a reason other than 404.
            ProblemError: an object is too large.
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
        services = await self._services(inputs)
        if services:
            inputs = replace(inputs, services=services)
        account = await self._account(inputs)
        warnings = await self._of_ingresses.problems(inputs) if inputs.spec.ingress else ()
        found = await self._sources(inputs)
        problem = secret_problems.secret_problem(inputs, found) if found else None
        if problem is None:
            inputs = replace(inputs, hashes=_hashes(inputs, found))
        return Gathered(
            inputs,
            refers=bool(prompt or checks_from or found or services or warnings) or _names_account(inputs),
            uses_secrets=any(target.kind == SECRET.kind for target in found),
            secrets=problem,
            account=account,
            warnings=warnings,
        )

    async def _sources(self, inputs: Inputs) -> dict[Ref, Mapping[str, str] | None]:
        """Read every Secret and ConfigMap in the environment of the pods, and those that must exist.

        The result has only the keys that pods read. The data of 64 ConfigMaps would need 64 MiB.
        """
        found: dict[Ref, Mapping[str, str] | None] = {}
        size = 0
        for target, keys in _used_keys(inputs).items():
            data = await self._data(target)
            if data is not None and keys is not None:
                data = {key: data[key] for key in keys if key in data}
            size += sum(map(len, data.values())) if data else 0
            if size > MAX_ENVIRONMENT_CHARS:
                raise ProblemError(_TOO_LARGE)
            found[target] = data
        return found

    async def _services(self, inputs: Inputs) -> dict[tuple[str, str], ServiceTarget | None]:
        """Read the Services that the agent connects to. One that the operator may not read is left out."""
        found: dict[tuple[str, str], ServiceTarget | None] = {}
        for name in endpoints.services(inputs.spec, inputs.namespace):
            try:
                data = await self._data(Ref(SERVICE.kind, *name))
            except ApiError as error:
                if error.code != HTTPStatus.FORBIDDEN:
                    raise
                continue
            found[name] = None if data is None else service_targets.parse(data)
        return found

    async def _account(self, inputs: Inputs) -> Mapping[str, str] | None:
        if not _names_account(inputs):
            return None
        return await self._data(Ref(SERVICE_ACCOUNT.kind, inputs.namespace, inputs.service_account))

    async def _data(self, target: Ref) -> Mapping[str, str] | None:
        data = self._cache.get(target)
        if data is not None:
            return data
        obj = await self._cluster.find(target, "v1")
        return None if obj is None else self._cache.add_object(target, obj)


def _used_keys(inputs: Inputs) -> dict[Ref, set[str] | None]:
    """Return the keys that are used of each object; None for all keys."""
    used: dict[Ref, set[str] | None] = {}
    for source in (*references.required(inputs), *references.of(inputs)):
        target = Ref(source.kind, inputs.namespace, source.name)
        if references.is_own(inputs, source) or (target not in used and len(used) >= references.LIMIT):
            continue
        keys = used.setdefault(target, set())
        if source.key is None and source.optional is False and source.field == references.CREDENTIALS:
            continue  # the Secret must exist, with the keys that follow
        used[target] = None if source.key is None or keys is None else keys | {source.key}
    return used


def _names_account(inputs: Inputs) -> bool:
    account = inputs.spec.identity.service_account if inputs.spec.identity else None
    return account is not None and account.name is not None


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
