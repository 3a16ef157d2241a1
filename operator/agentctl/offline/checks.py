"""Every check that one AgentDeployment passes offline, from the schema to the operator's own policies."""

from dataclasses import dataclass

from pydantic import ValidationError

from agent_operator import validation
from agent_operator.api import constants
from agent_operator.api.problems import Problem, ProblemError
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, data_hash, render
from agent_runtime.config import explain
from agentctl.offline import schema
from agentctl.offline.documents import Document
from agentctl.offline.faults import Fault
from agentctl.offline.input_files import Sources, dig

_PROMPT = "spec.systemPrompt.configMapKeyRef"
_CHECKS = "spec.rollout.canary.checksFrom.configMapKeyRef"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found; `inputs` are there when an agent could be made of it."""

    errors: tuple[Fault, ...]
    warnings: tuple[Fault, ...] = ()
    inputs: Inputs | None = None


def check(document: Document, sources: Sources) -> Checked:
    """Check one object of kind AgentDeployment. Later checks run when the earlier ones let the object be read."""
    if document.api_version != constants.API_VERSION:
        return Checked((Fault.of(document, "apiVersion", f"must be {constants.API_VERSION}: correct it"),))
    errors = [*schema.check(document), *_references(document, sources)]
    try:
        agent = AgentDeployment.model_validate({key: value for key, value in document.body.items() if key != "status"})
    except ValidationError as error:
        # The schema said the same in Kubernetes' words; only what it let pass is said here.
        told = [] if errors else [_split(document, line) for line in explain(error).splitlines()]
        return Checked((*errors, *told), _unknown_sources(document, sources))
    notes = _unknown_sources(document, sources)
    inputs = Inputs(
        agent,
        prompt_template=_text(document, sources, _PROMPT),
        hashes=_hashes(document, sources),
        checks_text=_text(document, sources, _CHECKS),
    )
    failures = _failures(inputs)
    named = {error.field for error in errors}
    errors += [Fault.of(document, it.field, it.message) for it in failures if it.field not in named]
    if errors:
        return Checked(tuple(errors), notes)
    warnings = (Fault.of(document, warning.field, warning.message) for warning in validation.warnings(inputs))
    return Checked((), (*notes, *warnings), inputs)


def _failures(inputs: Inputs) -> list[Problem]:
    if found := validation.check(inputs):
        # What time alone can heal is a reference that leads out of the input, and a note has been made of it.
        return [failure for failure in found if not failure.retry]
    try:
        render(inputs)
    except ProblemError as error:
        return list(error.problems)
    return []


def _split(document: Document, line: str) -> Fault:
    path, _, message = line.partition(": ")
    return Fault.of(document, path, message)


def _own(document: Document) -> str:
    return str(document.metadata.get("namespace"))


def _childrens(document: Document) -> str:
    """Namespace of the children, where a Secret must be."""
    return str(dig(document.body, "spec", "namespace", "name") or _own(document))


def _text(document: Document, sources: Sources, path: str) -> str | None:
    """Return the text that a reference to a key of a ConfigMap leads to; None when it is not in the input."""
    reference = dig(document.body, *path.split("."))
    found = sources.config_maps.get((_own(document), str(dig(reference, "name"))))
    return found.get(str(dig(reference, "key"))) if found else None


def _hashes(document: Document, sources: Sources) -> dict[str, str]:
    name = dig(document.body, "spec", "credentials", "secretRef", "name")
    found = sources.secrets.get((_childrens(document), str(name)))
    return {} if found is None else {str(name): data_hash(found)}


def _references(document: Document, sources: Sources) -> list[Fault]:
    """Return a fault for each key that a ConfigMap or Secret of the input lacks."""
    faults = []
    for path in (_PROMPT, _CHECKS):
        reference = dig(document.body, *path.split("."))
        name, key = str(dig(reference, "name")), dig(reference, "key")
        texts = sources.config_maps.get((_own(document), name))
        if texts is not None and key not in texts:
            faults.append(Fault.of(document, f"{path}.key", _missing("ConfigMap", name, str(key), list(texts))))
    secret = dig(document.body, "spec", "credentials", "secretRef")
    name, keys = str(dig(secret, "name")), dig(secret, "keys")
    values = sources.secrets.get((_childrens(document), name))
    for index, wanted in enumerate(keys if isinstance(keys, list) else ()):
        if values is not None and wanted not in values:
            path = f"spec.credentials.secretRef.keys[{index}]"
            faults.append(Fault.of(document, path, _missing("Secret", name, str(wanted), list(values))))
    return faults


def _missing(kind: str, name: str, key: str, found: list[str]) -> str:
    has = f"it has {', '.join(sorted(found))}" if found else "it is empty"
    return f"{kind} {name} has no key {key}: add it there or correct the key here ({has})"


def _unknown_sources(document: Document, sources: Sources) -> tuple[Fault, ...]:
    """Return a note for each reference that the input does not hold: its keys could not be checked."""
    notes = []
    for path, namespace, known in (
        (_PROMPT, _own(document), sources.config_maps),
        (_CHECKS, _own(document), sources.config_maps),
        ("spec.credentials.secretRef", _childrens(document), sources.secrets),
    ):
        name = dig(document.body, *path.split("."), "name")
        if isinstance(name, str) and (namespace, name) not in known:
            kind = "Secret" if path.endswith("secretRef") else "ConfigMap"
            message = (
                f"{kind} {name} of namespace {namespace} is not in the input, so it was not checked: add it with -f"
            )
            notes.append(Fault.of(document, path, message))
    return tuple(notes)
