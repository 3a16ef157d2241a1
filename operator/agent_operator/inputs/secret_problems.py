"""What is wrong with the Secret of the credentials, and with what External Secrets makes of it. Pure."""

from collections.abc import Collection, Iterator, Mapping

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.inputs import references
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.objects import Live, Ref
from agent_operator.kube.resources import BY_NAME

_INSTALL = "https://external-secrets.io/latest/introduction/getting-started"
# A provider's answer may be a page long.
_LONGEST = 1024


def fault(inputs: Inputs, found: Mapping[Ref, Collection[str] | None]) -> Problem | None:
    """Tell what a Secret lacks, the first that lacks something.

    Args:
        inputs: the agent.
        found: keys of the Secrets that were looked at; None: there is no such Secret.
    """
    lacking: dict[tuple[str, str], list[str]] = {}
    for source in (*references.needed(inputs), *references.of(inputs)):
        target = Ref(source.kind, inputs.namespace, source.name)
        if source.kind != "Secret" or target not in found:
            continue
        there = found[target]
        if there is None and not source.optional:
            return _missing(inputs, target, source.field)
        if there is not None and not source.optional and source.key not in (None, *there):
            lacking.setdefault((source.name, source.field), []).append(str(source.key))
    for (name, field), keys in lacking.items():
        return _lacks(inputs, Ref("Secret", inputs.namespace, name), field, ", ".join(keys))
    return None


def _missing(inputs: Inputs, target: Ref, field: str) -> Problem:
    if _is_external(inputs, field):
        return _unsynced(target, "is not there yet")
    where = f"{references.CREDENTIALS}.secretRef.name" if field == references.CREDENTIALS else f"{field}.name"
    return Problem(Reason.SECRET_MISSING, where, f"{target} does not exist: create it, or correct the name", retry=True)


def _lacks(inputs: Inputs, target: Ref, field: str, keys: str) -> Problem:
    if _is_external(inputs, field):
        return _unsynced(target, f"lacks {keys}")
    message = f"{target} lacks {keys}: add it to the Secret, or remove it from {field}"
    return Problem(Reason.SECRET_KEY_MISSING, "", message, retry=True)


def _unsynced(target: Ref, what: str) -> Problem:
    message = f"{target} {what}: External Secrets makes it; see the status of ExternalSecret {target.name}"
    return Problem(Reason.SECRET_NOT_SYNCED, "", message, retry=True)


def _is_external(inputs: Inputs, field: str) -> bool:
    given = inputs.spec.credentials
    return field == references.CREDENTIALS and given is not None and given.external_secret is not None


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
            "spec.credentials.externalSecret",
            "the cluster has no CustomResourceDefinition "
            f"{BY_NAME['ExternalSecret'].crd}, or the operator no right to use it: install External Secrets "
            f"({_INSTALL}), grant the right, or use spec.credentials.secretRef",
            retry=True,
        )
    targets = [Ref("ExternalSecret", inputs.namespace, constants.secret(inputs.name))]
    if external.azure_key_vault:
        # Where the vault cannot be opened, the ExternalSecret only says that its store is not ready.
        store = external.azure_key_vault.store_name or inputs.name
        targets.insert(0, Ref("SecretStore", inputs.namespace, store))
    told = [words for target in targets for words in _complaints(target, live.get(target))]
    return Problem(Reason.SECRET_NOT_SYNCED, "", "; ".join(told), retry=True) if told else None


def _complaints(target: Ref, found: Live | None) -> Iterator[str]:
    conditions = (found.object.get("status") or {}).get("conditions") or () if found else ()
    for condition in conditions:
        if condition.get("type") == "Ready" and condition.get("status") == "False":
            said = " ".join(condition.get("message", "").split())[:_LONGEST]
            yield f"{target} is not ready: {condition.get('reason', 'no reason given')}: {said}"
