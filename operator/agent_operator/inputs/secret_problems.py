"""Problems of the referenced Secrets, and of their ExternalSecret. Pure."""

from collections.abc import Collection, Iterator, Mapping

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.inputs import references
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.objects import Live, Ref
from agent_operator.kube.resources import BY_NAME

_INSTALL = "https://external-secrets.io/latest/introduction/getting-started"
# The message of a provider may be very long.
_MESSAGE_LIMIT = 1024


def secret_problem(inputs: Inputs, found: Mapping[Ref, Collection[str] | None]) -> Problem | None:
    """Return the problem of the first Secret that does not exist or lacks a key; None if there is no problem.

    Args:
        inputs: the agent.
        found: keys of the Secrets that the operator read; None for a Secret that does not exist.
    """
    lacking: dict[tuple[str, str], list[str]] = {}
    for source in (*references.required(inputs), *references.of(inputs)):
        target = Ref(source.kind, inputs.namespace, source.name)
        if source.kind != "Secret" or target not in found:
            continue
        existing = found[target]
        if existing is None and not source.optional:
            return _missing(inputs, target, source.field)
        if existing is not None and not source.optional and source.key not in (None, *existing):
            lacking.setdefault((source.name, source.field), []).append(str(source.key))
    for (name, field), keys in lacking.items():
        return _lacks(inputs, Ref("Secret", inputs.namespace, name), field, ", ".join(keys))
    return None


def _missing(inputs: Inputs, target: Ref, field: str) -> Problem:
    if _is_external(inputs, field):
        return _unsynced(target, "does not exist yet")
    where = f"{references.CREDENTIALS}.secretRef.name" if field == references.CREDENTIALS else f"{field}.name"
    return Problem(Reason.SECRET_MISSING, where, f"{target} does not exist: create it or correct the name", retry=True)


def _lacks(inputs: Inputs, target: Ref, field: str, keys: str) -> Problem:
    if _is_external(inputs, field):
        return _unsynced(target, f"lacks {keys}")
    message = f"{target} lacks {keys}: add it to the Secret, or remove it from {field}"
    return Problem(Reason.SECRET_KEY_MISSING, "", message, retry=True)


def _unsynced(target: Ref, what: str) -> Problem:
    message = f"{target} {what}: External Secrets creates it; see the status of ExternalSecret {target.name}"
    return Problem(Reason.SECRET_NOT_SYNCED, "", message, retry=True)


def _is_external(inputs: Inputs, field: str) -> bool:
    credentials = inputs.spec.credentials
    return field == references.CREDENTIALS and credentials is not None and credentials.external_secret is not None


def sync_problem(inputs: Inputs, live: Mapping[Ref, Live], *, served: bool) -> Problem | None:
    """Return why External Secrets cannot sync the Secret, with its own message; None if it can or is not used.

    Args:
        inputs: the agent.
        live: its live children.
        served: whether the cluster serves the API of External Secrets.
    """
    external = inputs.spec.credentials.external_secret if inputs.spec.credentials else None
    if external is None:
        return None
    if not served:
        return Problem(
            Reason.EXTERNAL_SECRETS_MISSING,
            "spec.credentials.externalSecret",
            f"the CustomResourceDefinition {BY_NAME['ExternalSecret'].crd} is not installed, or the operator has no "
            f"permission to use it: install External Secrets ({_INSTALL}), grant the permission, or use "
            "spec.credentials.secretRef",
            retry=True,
        )
    targets = [Ref("ExternalSecret", inputs.namespace, constants.secret(inputs.name))]
    if external.azure_key_vault:
        # If the vault rejects the store, the ExternalSecret only reports that its store is not ready.
        store = external.azure_key_vault.store_name or inputs.name
        targets.insert(0, Ref("SecretStore", inputs.namespace, store))
    messages = [message for target in targets for message in _not_ready(target, live.get(target))]
    return Problem(Reason.SECRET_NOT_SYNCED, "", "; ".join(messages), retry=True) if messages else None


def _not_ready(target: Ref, found: Live | None) -> Iterator[str]:
    conditions = (found.object.get("status") or {}).get("conditions") or () if found else ()
    for condition in conditions:
        if condition.get("type") == "Ready" and condition.get("status") == "False":
            message = " ".join(condition.get("message", "").split())[:_MESSAGE_LIMIT]
            yield f"{target} is not ready: {condition.get('reason', 'no reason given')}: {message}"
