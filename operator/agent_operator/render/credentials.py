"""The Secret of the agent, or what makes it: SecretStore and ExternalSecret."""

import base64

from agent_operator import names
from agent_operator.render.canonical import data_hash
from agent_operator.render.context import View
from agent_operator.spec.inputs import Inputs


def secret(inputs: Inputs) -> View | None:
    """Return the view of the Secret for credentials.values."""
    data = _data(inputs)
    return {"name": names.secret(inputs.name), "data": data} if data else None


def secret_hash(inputs: Inputs) -> str | None:
    """Return the hash of the credentials that the pods start with, if it is known.

    The operator's own Secret is known before it exists; so its pods need not be restarted once it does.
    """
    data = _data(inputs)
    return data_hash(data, inputs.agent.metadata.uid) if data else inputs.secret_hash


def _data(inputs: Inputs) -> dict[str, str]:
    values = (inputs.spec.credentials.values if inputs.spec.credentials else None) or {}
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


def secret_store(inputs: Inputs) -> View | None:
    """Return the view of the SecretStore for a Key Vault."""
    external = inputs.spec.credentials.external_secret if inputs.spec.credentials else None
    vault = external.azure_key_vault if external else None
    if vault is None:
        return None
    auth_type = vault.auth_type or "WorkloadIdentity"
    return {
        "version": inputs.platform.external_secrets_version,
        "name": vault.store_name or inputs.name,
        "vault_url": vault.vault_url,
        "auth_type": auth_type,
        "account": inputs.service_account if auth_type == "WorkloadIdentity" else None,
    }


def external_secret(inputs: Inputs) -> View | None:
    """Return the view of the ExternalSecret."""
    external = inputs.spec.credentials.external_secret if inputs.spec.credentials else None
    if external is None:
        return None
    reference = external.secret_store_ref
    made = secret_store(inputs)
    return {
        "version": inputs.platform.external_secrets_version,
        "name": names.secret(inputs.name),
        "refresh_interval": external.refresh_interval or "1h",
        "store": made["name"] if made else reference and reference.name,
        "store_kind": (reference.kind if reference else None) or "SecretStore",
        "data": external.data,
    }
