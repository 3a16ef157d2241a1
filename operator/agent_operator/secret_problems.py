"""What is wrong with the Secret of the credentials, and with what External Secrets makes of it. Pure."""

from collections.abc import Collection, Iterator, Mapping

from agent_operator import names
from agent_operator.conditions import Problem
from agent_operator.kinds import BY_NAME
from agent_operator.objects import Live, Ref
from agent_operator.reasons import Reason
from agent_operator.spec import credentials
from agent_operator.spec.inputs import Inputs

_INSTALL = "https://external-secrets.io/latest/introduction/getting-started"
# A provider's answer may be a page long.
_LONGEST = 1024


def fault(inputs: Inputs, name: str, found: Collection[str] | None) -> Problem | None:
    """Tell what the Secret lacks. `found` are its keys; None: there is no such Secret."""
    external = inputs.spec.credentials is not None and inputs.spec.credentials.external_secret is not None
    where = f"Secret {inputs.namespace}/{name}"
    missing = [key.name for key in credentials.keys(inputs) if not key.optional and key.name not in (found or ())]
    listed = ", ".join(missing)
    if external and (found is None or missing):
        lacks = "is not there yet" if found is None else f"lacks {listed}"
        message = f"{where} {lacks}: External Secrets makes it; see the status of ExternalSecret {name}"
        return Problem(Reason.SECRET_NOT_SYNCED, message)
    if found is None:
        message = f"spec.credentials.secretRef.name: {where} does not exist: create it, or correct the name"
        return Problem(Reason.SECRET_MISSING, message)
    if missing:
        message = f"{where} lacks {listed}: add it to the Secret, or remove it from spec.credentials"
        return Problem(Reason.SECRET_KEY_MISSING, message)
    return None


def sync_trouble(inputs: Inputs, live: Mapping[Ref, Live], *, served: bool) -> Problem | None:
    """Tell why External Secrets does not do its part, in its own words; None when it does, or is not asked to.

    Args:
        inputs: the agent.
        live: its children.
        served: whether the cluster has the API of External Secrets.
    """
    external = inputs.spec.credentials.external_secret if inputs.spec.credentials else None
    if external is None:
        return None
    if not served:
        return Problem(
            Reason.EXTERNAL_SECRETS_MISSING,
            "spec.credentials.externalSecret: the cluster has no CustomResourceDefinition "
            f"{BY_NAME['ExternalSecret'].crd}, or the operator no right to use it: install External Secrets "
            f"({_INSTALL}), grant the right, or use spec.credentials.secretRef",
        )
    targets = [Ref("ExternalSecret", inputs.namespace, names.secret(inputs.name))]
    if external.azure_key_vault:
        # Where the vault cannot be opened, the ExternalSecret only says that its store is not ready.
        store = external.azure_key_vault.store_name or inputs.name
        targets.insert(0, Ref("SecretStore", inputs.namespace, store))
    told = [words for target in targets for words in _complaints(target, live.get(target))]
    return Problem(Reason.SECRET_NOT_SYNCED, "; ".join(told)) if told else None


def _complaints(target: Ref, found: Live | None) -> Iterator[str]:
    conditions = (found.object.get("status") or {}).get("conditions") or () if found else ()
    for condition in conditions:
        if condition.get("type") == "Ready" and condition.get("status") == "False":
            said = " ".join(condition.get("message", "").split())[:_LONGEST]
            yield f"{target} is not ready: {condition.get('reason', 'no reason given')}: {said}"
