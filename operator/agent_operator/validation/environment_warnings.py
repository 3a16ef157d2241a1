"""Warnings about variables that the config needs and the pods do not have, and about amounts in the wrong unit."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import credentials, endpoints, quantities
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.shapes import mapping, mappings

_AZURE_ENDPOINT = "AZURE_OPENAI_ENDPOINT"
_AZURE_CREDENTIALS = ("AZURE_OPENAI_API_KEY", *credentials.IDENTITY_KEYS)
_IN_BYTES = ("memory", "ephemeral-storage")
# No container runs with less, and no volume is useful.
_SMALLEST_BYTES = 1024 * 1024


def variables_are_set(inputs: Inputs) -> Iterator[Problem]:
    """A header of an MCP server may use a variable that no field sets."""
    servers = [(index, server) for index, server in enumerate(inputs.spec.config.mcp) if server.headers_from]
    known = _variables(inputs) if servers else None
    if known is None:
        return
    for index, server in servers:
        for header, name in server.headers_from.items():
            if name not in known:
                message = f"no variable {name} is set in the pods: set it in spec.env or spec.credentials"
                yield Problem(SpecReason.VARIABLE_UNSET, f"spec.config.mcp[{index}].headersFrom[{header}]", message)


def models_have_credentials(inputs: Inputs) -> Iterator[Problem]:
    """A model of a public provider refuses requests without a key, and Azure has no default endpoint."""
    models = [(index, model) for index, model in enumerate(inputs.spec.config.models) if model.provider != "echo"]
    known = _variables(inputs) if models else None
    if known is None:
        return
    identity = inputs.spec.identity
    has_identity = identity is not None and identity.azure_workload_identity is not None
    for index, model in models:
        field = f"spec.config.models[{index}]"
        if model.provider == "openai":
            is_public = model.base_url in (None, endpoints.PUBLIC_OPENAI) and "OPENAI_BASE_URL" not in known
            if is_public and "OPENAI_API_KEY" not in known:
                yield _no_credentials(
                    field, "the public API of OpenAI needs a key: set OPENAI_API_KEY in spec.credentials"
                )
            continue
        if model.endpoint is None and _AZURE_ENDPOINT not in known:
            message = f"not set, and the pods have no variable {_AZURE_ENDPOINT}: set one of them"
            yield Problem(SpecReason.VARIABLE_UNSET, f"{field}.endpoint", message)
        if not has_identity and known.isdisjoint(_AZURE_CREDENTIALS):
            yield _no_credentials(
                field,
                "Azure OpenAI needs a key or an identity: set AZURE_OPENAI_API_KEY in spec.credentials, or "
                "spec.identity.azureWorkloadIdentity",
            )


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
