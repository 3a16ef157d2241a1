"""The Secret with the credentials, or the SecretStore and ExternalSecret from which External Secrets creates it."""

import base64
from collections.abc import Mapping

from agent_operator.api import constants
from agent_operator.inputs import references
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render.canonical import data_hash
from agent_operator.render.templates import View


def secret(inputs: Inputs) -> View | None:
    """Return the view of the Secret for credentials.values."""
    data = _data(inputs)
    return {"name": constants.secret(inputs.name), "data": data} if data else None


def hashes(inputs: Inputs) -> Mapping[str, str | None]:
    """Return a hash of the data of each Secret and ConfigMap that the pods read as variables; None where it is unknown.

    The data of the operator's own Secret is known before the Secret exists, so its creation restarts no pods.
    """
    data, name = _data(inputs), constants.secret(inputs.name)
    known = {**inputs.hashes, name: data_hash(data, inputs.agent.metadata.uid)} if data else inputs.hashes
    return {source.title: known.get(source.title) for source in references.of(inputs)}


def secret_hash(inputs: Inputs) -> str | None:
    """Return the hashes as an annotation of the pods: `azure=0123,configmap/prompts=4567`; None if there is none."""
    known = {title: digest for title, digest in hashes(inputs).items() if digest}
    return ",".join(f"{title}={known[title]}" for title in sorted(known)) or None


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
    store = secret_store(inputs)
    return {
        "version": inputs.platform.external_secrets_version,
        "name": constants.secret(inputs.name),
        "refresh_interval": external.refresh_interval or "1h",
        "store": store["name"] if store else reference and reference.name,
        "store_kind": (reference.kind if reference else None) or "SecretStore",
        "data": external.data,
    }
