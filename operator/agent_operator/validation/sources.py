"""Validation of the prompt, the endpoints, the credentials and the identity."""

import re
from collections.abc import Iterator

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import credentials, endpoints
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.inputs.endpoints import EndpointError
from agent_operator.inputs.prompt import PromptError
from agent_runtime.config import AgentConfig

_VAULT_NAME = re.compile(r"((secret|key|cert)/)?[0-9a-zA-Z-]{1,127}")


def one_source_each(inputs: Inputs) -> Iterator[Problem]:
    source, secrets = inputs.spec.system_prompt, inputs.spec.credentials
    yield from _exactly_one("spec.systemPrompt", source, "text", "config_map_key_ref")
    yield from _exactly_one("spec.credentials", secrets, "secret_ref", "external_secret", "values")
    external = secrets.external_secret if secrets else None
    yield from _exactly_one("spec.credentials.externalSecret", external, "azure_key_vault", "secret_store_ref")


def _exactly_one(field: str, model: object, *fields: str) -> Iterator[Problem]:
    if model is not None and sum(getattr(model, name) is not None for name in fields) != 1:
        listed = " or ".join(re.sub(r"_(.)", lambda match: match[1].upper(), name) for name in fields)
        yield Problem(SpecReason.FIELD_CONFLICT, field, f"exactly one source must be set: set {listed}")


def api_keys_have_one_place(inputs: Inputs) -> Iterator[Problem]:
    server = inputs.spec.config.server
    if inputs.spec.api_keys and server and server.api_keys_file:
        message = "spec.apiKeys already sets it, to the mounted file: remove one of the two"
        yield Problem(SpecReason.FIELD_CONFLICT, "spec.config.server.apiKeysFile", message)


def prompt_renders(inputs: Inputs) -> Iterator[Problem]:
    source = inputs.spec.system_prompt
    reference = source.config_map_key_ref if source and source.text is None else None
    field = "spec.systemPrompt.configMapKeyRef" if reference else "spec.systemPrompt.text"
    try:
        _ = inputs.prompt
    except PromptError as error:
        reason = SpecReason.PROMPT_TOO_LARGE if error.too_large else SpecReason.PROMPT_INVALID
        if error.too_expensive:
            reason = SpecReason.PROMPT_TOO_EXPENSIVE
        yield Problem(reason, field, str(error), retry=error.retry)
    except LookupError:
        if reference:
            yield Problem(
                SpecReason.PROMPT_MISSING,
                field,
                f"the ConfigMap {reference.name} with the key {reference.key} does not exist in namespace "
                f"{inputs.own_namespace}: create the ConfigMap with this key, or correct the reference",
                retry=True,
            )


def endpoints_are_reachable(inputs: Inputs) -> Iterator[Problem]:
    for index, model in enumerate(inputs.spec.config.models):
        try:
            yield from not_metadata(endpoints.model_endpoint(model, index))
        except EndpointError as error:
            yield _invalid(error)
    for index, server in enumerate(inputs.spec.config.mcp):
        try:
            found = endpoints.mcp_endpoint(server, index)
        except EndpointError as error:
            yield _invalid(error)
        else:
            yield from () if server.allow_link_local else not_metadata(found)
    try:
        yield from not_metadata(endpoints.keys_endpoint(inputs.spec.config))
    except EndpointError as error:
        yield _invalid(error)
    if inputs.spec.config.memory:
        yield from _redis_is_reachable(inputs.spec.config)


def _redis_is_reachable(config: AgentConfig) -> Iterator[Problem]:
    try:
        yield from not_metadata(endpoints.redis_endpoint(config))
        for endpoint in endpoints.sentinel_endpoints(config):
            yield from not_metadata(endpoint)
    except EndpointError as error:
        yield _invalid(error)


def _invalid(error: EndpointError) -> Problem:
    return Problem(SpecReason.ENDPOINT_INVALID, error.field, str(error))


def not_metadata(endpoint: endpoints.Endpoint | None, server: str = "server") -> Iterator[Problem]:
    """An endpoint must not be the metadata service of a cloud. `server`: what it should be instead."""
    if endpoint and endpoint.is_metadata:
        message = f"a link-local address, where clouds serve the credentials of the node: use the host of the {server}"
        yield Problem(SpecReason.ENDPOINT_INVALID, endpoint.field, message)


def credentials_are_usable(inputs: Inputs) -> Iterator[Problem]:
    secrets = inputs.spec.credentials
    reserved = {*credentials.RESERVED, *(key.variable for key in inputs.secret_variables)}
    for key in credentials.keys(inputs):
        if key.name in reserved:
            message = f"{key.name} is set by the operator: remove it"
            yield Problem(SpecReason.CREDENTIALS_INVALID, "spec.credentials", message)
    external = secrets.external_secret if secrets else None
    for name, remote in external.data.items() if external else ():
        if not remote or (external and external.azure_key_vault and not _VAULT_NAME.fullmatch(remote)):
            message = "not a valid secret name in a Key Vault (at most 127 letters, digits and -): correct it"
            yield Problem(SpecReason.CREDENTIALS_INVALID, f"spec.credentials.externalSecret.data[{name}]", message)


def identity_can_work(inputs: Inputs) -> Iterator[Problem]:
    identity, secrets = inputs.spec.identity, inputs.spec.credentials
    account = identity.service_account if identity else None
    if account and account.name and account.annotations:
        message = "have no effect on an existing ServiceAccount: annotate it yourself, or remove name"
        yield Problem(SpecReason.IDENTITY_INVALID, "spec.identity.serviceAccount.annotations", message)
    external = secrets.external_secret if secrets else None
    vault = external.azure_key_vault if external else None
    if vault is None or vault.auth_type == "ManagedIdentity":
        return
    annotated = account and (account.name or constants.ANNOTATION_CLIENT_ID in (account.annotations or {}))
    if not annotated and not (identity and identity.azure_workload_identity):
        message = "authType WorkloadIdentity requires an identity: set spec.identity.azureWorkloadIdentity"
        yield Problem(SpecReason.IDENTITY_INVALID, "spec.credentials.externalSecret.azureKeyVault", message)
