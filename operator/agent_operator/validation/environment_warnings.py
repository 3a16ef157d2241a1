"""Warnings about variables that the config needs and the pods do not have, and about amounts in the wrong unit."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import credentials, quantities
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.shapes import mapping, mappings
from agent_runtime.config.default_credentials import DEFAULT_KEYS, ENTRA_TOKEN, OPENAI_API, DefaultCredentials

_AZURE_ENDPOINT = "AZURE_OPENAI_ENDPOINT"
_AZURE_CREDENTIALS = ("AZURE_OPENAI_API_KEY", *credentials.IDENTITY_KEYS)
_IN_BYTES = ("memory", "ephemeral-storage")
# No container runs with less, and no volume is useful.
_SMALLEST_BYTES = 1024 * 1024


def variables_are_set(inputs: Inputs) -> Iterator[Problem]:
    """A header or an API key may come from a variable that no field sets."""
    named = list(_named_variables(inputs))
    known = _variables(inputs) if named else None
    for field, name in named if known is not None else ():
        if known is not None and name not in known:
            message = f"no variable {name} is set in the pods: set it in spec.env or spec.credentials"
            yield Problem(SpecReason.VARIABLE_UNSET, field, message)


def _named_variables(inputs: Inputs) -> Iterator[tuple[str, str]]:
    """Yield the fields of the config that name a variable, and the variable."""
    config = inputs.spec.config
    for index, model in enumerate(config.models):
        field = f"spec.config.models[{index}]"
        if model.api_key_from and model.api_key_from.env:
            yield f"{field}.apiKeyFrom.env", model.api_key_from.env
        for header, name in (model.headers_from or {}).items():
            yield f"{field}.headersFrom[{header}]", name
    for index, server in enumerate(config.mcp):
        for header, name in server.headers_from.items():
            yield f"spec.config.mcp[{index}].headersFrom[{header}]", name


def models_have_credentials(inputs: Inputs) -> Iterator[Problem]:
    """A model of a public provider refuses requests without a key, and Azure has no default endpoint."""
    models = [(index, model) for index, model in enumerate(inputs.spec.config.models) if model.provider != "echo"]
    known = _variables(inputs) if models else None
    if known is None:
        return
    has_identity = _has_identity(inputs)
    for index, model in models:
        field = f"spec.config.models[{index}]"
        has_own_key = model.api_key_from is not None
        if model.provider == "openai":
            is_public = model.base_url in (None, OPENAI_API) and "OPENAI_BASE_URL" not in known
            if is_public and not has_own_key and "OPENAI_API_KEY" not in known:
                yield _no_credentials(
                    field, "the public API of OpenAI needs a key: set apiKeyFrom, or OPENAI_API_KEY in spec.credentials"
                )
            continue
        if model.endpoint is None and _AZURE_ENDPOINT not in known:
            message = f"not set, and the pods have no variable {_AZURE_ENDPOINT}: set one of them"
            yield Problem(SpecReason.VARIABLE_UNSET, f"{field}.endpoint", message)
        if not has_identity and not has_own_key and known.isdisjoint(_AZURE_CREDENTIALS):
            yield _no_credentials(
                field,
                "Azure OpenAI needs a key or an identity: set apiKeyFrom, AZURE_OPENAI_API_KEY in spec.credentials, or "
                "spec.identity.azureWorkloadIdentity",
            )


def redis_has_identity(inputs: Inputs) -> Iterator[Problem]:
    """A token of Microsoft Entra ID for Redis needs an identity."""
    memory = inputs.spec.config.memory
    cache = memory.cache if memory else None
    if cache is None or not (cache.enabled and cache.entra_id) or _has_identity(inputs):
        return
    known = _variables(inputs)
    if known is not None and not _has_entra_credentials(known):
        yield _no_credentials(
            "spec.config.memory.cache.entraId",
            "Redis needs an identity: set spec.identity.azureWorkloadIdentity, or AZURE_TENANT_ID, AZURE_CLIENT_ID and "
            "AZURE_CLIENT_SECRET in spec.credentials",
        )


def default_key_reaches_models(inputs: Inputs) -> Iterator[Problem]:
    """The runtime sends no default key to a second vendor, which earlier versions did."""
    models = inputs.spec.config.models
    plain = {variable.name: variable.value for variable in inputs.spec.env or ()}
    defaults = DefaultCredentials(models, plain.get("OPENAI_BASE_URL"), plain.get(_AZURE_ENDPOINT))
    withheld = [
        (index, model.provider)
        for index, model in enumerate(models)
        if model.provider in DEFAULT_KEYS and model.api_key_from is None and not defaults.reach(model)
    ]
    known = _variables(inputs) if withheld else None
    for index, provider in withheld:
        if credential := _default_credential(inputs, provider, known):
            message = (
                f"{credential} is not sent to this server, because the models of the agent have several: set "
                f"apiKeyFrom to the key of this server, or to `none: true` if it needs none"
            )
            yield Problem(SpecReason.DEFAULT_KEY_WITHHELD, f"spec.config.models[{index}].apiKeyFrom", message)


def _default_credential(inputs: Inputs, provider: str, known: frozenset[str] | None) -> str | None:
    """Return the default credential of a provider; None if the pods have none. `known`: see _variables()."""
    variable = DEFAULT_KEYS[provider]
    if known is not None and variable in known:
        return variable
    if provider == "azure_openai" and (_has_identity(inputs) or _has_entra_credentials(known or frozenset())):
        return ENTRA_TOKEN
    return variable if known is None else None


def _has_identity(inputs: Inputs) -> bool:
    return inputs.spec.identity is not None and inputs.spec.identity.azure_workload_identity is not None


def _has_entra_credentials(variables: frozenset[str]) -> bool:
    return not variables.isdisjoint(credentials.IDENTITY_KEYS)


def _no_credentials(field: str, message: str) -> Problem:
    return Problem(SpecReason.CREDENTIALS_UNSET, field, message)


def _variables(inputs: Inputs) -> frozenset[str] | None:
    """Return the names of the variables of the agent's container; None if a Secret or ConfigMap adds unknown ones."""
    names = {key.name for key in credentials.keys(inputs)} | {variable.name for variable in inputs.spec.env or ()}
    for _, container in _containers(inputs, ("containers",)):
        if container.get("name") == constants.CONTAINER:
            if container.get("envFrom"):
                return None
            names |= {str(variable.get("name")) for variable in mappings(container.get("env"))}
    return frozenset(names)


def resources_are_plausible(inputs: Inputs) -> Iterator[Problem]:
    """`256m` of memory are 0.256 bytes: the author meant 256Mi."""
    if inputs.spec.resources:
        yield from _tiny("spec.resources", inputs.spec.resources.model_dump(by_alias=True, exclude_none=True))


def template_is_plausible(inputs: Inputs) -> Iterator[Problem]:
    """The same mistake in a container or volume of spec.podTemplate."""
    for path, container in _containers(inputs, ("initContainers", "containers")):
        yield from _tiny(f"{path}.resources", container.get("resources"))
    pods = mapping((inputs.spec.pod_template or {}).get("spec"))
    for index, volume in enumerate(mappings(pods.get("volumes"))):
        field = f"spec.podTemplate.spec.volumes[{index}].emptyDir.sizeLimit"
        yield from _too_small(field, mapping(volume.get("emptyDir")).get("sizeLimit"))


def _tiny(path: str, resources: Any) -> Iterator[Problem]:
    for kind in ("requests", "limits"):
        amounts = mapping(mapping(resources).get(kind))
        for name in _IN_BYTES:
            yield from _too_small(f"{path}.{kind}.{name}", amounts.get(name))


def _too_small(field: str, amount: Any) -> Iterator[Problem]:
    if isinstance(amount, bool) or not isinstance(amount, str | int):
        return
    try:
        size = quantities.parse(amount)
    except ValueError:
        return  # another rule rejects it
    if 0 < size < _SMALLEST_BYTES:
        number = str(amount).rstrip("numkKMGTPE")
        message = f"{amount} means {size.normalize():f} bytes: write {number}Mi if you mean mebibytes"
        yield Problem(SpecReason.QUANTITY_TOO_SMALL, field, message)


def _containers(inputs: Inputs, kinds: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield path and content of the containers in spec.podTemplate. Rendering rejects a malformed one."""
    pods = mapping((inputs.spec.pod_template or {}).get("spec"))
    for kind in kinds:
        for index, container in enumerate(mappings(pods.get(kind))):
            yield f"spec.podTemplate.spec.{kind}[{index}]", container
