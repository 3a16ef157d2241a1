"""All offline checks of one AgentDeployment, from the schema to the validation of the operator."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from pydantic import ValidationError

from agent_operator import validation
from agent_operator.api import constants
from agent_operator.api.problems import Problem, ProblemError
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs import references, size_limits
from agent_operator.render import Inputs, Rendered, adoption, data_hash, render
from agent_runtime.config import explain
from agentctl.objects import nested_field
from agentctl.offline import children, releases, schema
from agentctl.offline.diagnostics import Diagnostic
from agentctl.offline.documents import Document
from agentctl.offline.input_files import Sources

_PROMPT = "spec.systemPrompt.configMapKeyRef"
_TEMPLATE = "spec.podTemplate"
_CHECKS = "spec.rollout.canary.checksFrom.configMapKeyRef"
_SECRET = "spec.credentials.secretRef"  # noqa: S105 - a path


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The diagnostics of one AgentDeployment, and the inputs for rendering it; None if there are errors."""

    errors: tuple[Diagnostic, ...]
    warnings: tuple[Diagnostic, ...] = ()
    inputs: Inputs | None = None


def check(document: Document, sources: Sources) -> CheckResult:
    """Check one AgentDeployment. The checks of the operator run only if the object can be parsed."""
    if document.api_version != constants.API_VERSION:
        return CheckResult((Diagnostic.of(document, "apiVersion", f"must be {constants.API_VERSION}: correct it"),))
    if excess := size_limits.find_excess(document.body.get("spec")):
        return CheckResult((Diagnostic.of(document, excess.field, excess.message),))
    errors = [*schema.check(document), *_missing_keys(document, sources)]
    warnings = _unresolved_references(document, sources)
    try:
        agent = AgentDeployment.model_validate({key: value for key, value in document.body.items() if key != "status"})
    except ValidationError as error:
        # The schema reports the same problems as the API server does; the model adds only what the schema accepted.
        added = [] if errors else [_parse_line(document, line) for line in explain(error).splitlines()]
        return CheckResult((*errors, *added), warnings)
    inputs = Inputs(
        agent,
        prompt_template=_config_map_text(document, sources, _PROMPT),
        hashes=_secret_hashes(document, sources),
        checks_text=_config_map_text(document, sources, _CHECKS),
    )
    missing, unresolved = _environment(document, sources, inputs)
    errors, warnings = [*errors, *missing], (*warnings, *unresolved)
    named = {error.field for error in errors}
    problems, rendered = _problems(inputs)
    unnamed = (problem for problem in problems if not _is_covered(problem.field, named))
    errors += [Diagnostic.of(document, problem.field, problem.message) for problem in unnamed]
    if rendered is not None and not errors:
        errors += children.check(document, rendered)
    if errors:
        return CheckResult(tuple(dict.fromkeys(errors)), warnings)
    found = [Diagnostic.of(document, warning.field, warning.message) for warning in validation.warnings(inputs)]
    found += [Diagnostic.of(document, it.field, it.message) for it in adoption.parse(document.body).problems]
    if rendered is not None:
        found += releases.check(document, rendered)
    return CheckResult((), (*warnings, *found), inputs)


def _is_covered(field: str, named: AbstractSet[str]) -> bool:
    """Return whether the schema reported the error: of the field, or of the pod template, whose merge repeats it."""
    return field in named or (field.startswith(_TEMPLATE) and any(name.startswith(_TEMPLATE) for name in named))


def _problems(inputs: Inputs) -> tuple[list[Problem], Rendered | None]:
    """Return the problems of the spec, and what is rendered if there are none."""
    if found := validation.check(inputs):
        # A problem that a retry can resolve is a reference to an object outside of the input: already a warning.
        return [problem for problem in found if not problem.retry], None
    try:
        return [], render(inputs)
    except ProblemError as error:
        return list(error.problems), None


def _parse_line(document: Document, line: str) -> Diagnostic:
    path, _, message = line.partition(": ")
    return Diagnostic.of(document, path, message)


def _own_namespace(document: Document) -> str:
    return str(document.metadata.get("namespace"))


def _children_namespace(document: Document) -> str:
    """Return the namespace of the children, which is also that of the Secrets that the agent references."""
    return str(nested_field(document.body, "spec", "namespace", "name") or _own_namespace(document))


def _config_map_text(document: Document, sources: Sources, path: str) -> str | None:
    """Return the value that a configMapKeyRef refers to; None if it is not in the input."""
    reference = nested_field(document.body, *path.split("."))
    found = sources.config_maps.get((_own_namespace(document), str(nested_field(reference, "name"))))
    return found.get(str(nested_field(reference, "key"))) if found else None


def _secret_hashes(document: Document, sources: Sources) -> dict[str, str]:
    name = nested_field(document.body, *_SECRET.split("."), "name")
    found = sources.secrets.get((_children_namespace(document), str(name)))
    return {} if found is None else {str(name): data_hash(found)}


def _missing_keys(document: Document, sources: Sources) -> list[Diagnostic]:
    """Return an error for each referenced key that a ConfigMap or Secret of the input does not have."""
    errors = []
    for path in (_PROMPT, _CHECKS):
        reference = nested_field(document.body, *path.split("."))
        name, key = str(nested_field(reference, "name")), nested_field(reference, "key")
        data = sources.config_maps.get((_own_namespace(document), name))
        if data is not None and key not in data:
            errors.append(Diagnostic.of(document, f"{path}.key", _missing_key("ConfigMap", name, str(key), data)))
    secret = nested_field(document.body, *_SECRET.split("."))
    name, keys = str(nested_field(secret, "name")), nested_field(secret, "keys")
    values = sources.secrets.get((_children_namespace(document), name))
    for index, key in enumerate(keys if isinstance(keys, list) else ()):
        if values is not None and key not in values:
            path = f"{_SECRET}.keys[{index}]"
            errors.append(Diagnostic.of(document, path, _missing_key("Secret", name, str(key), values)))
    return errors


def _environment(
    document: Document, sources: Sources, inputs: Inputs
) -> tuple[list[Diagnostic], tuple[Diagnostic, ...]]:
    """Return errors and warnings for the Secrets and ConfigMaps in spec.env and spec.podTemplate."""
    errors, warnings = [], []
    for source in references.of(inputs):
        if source.optional or source.field == references.CREDENTIALS or references.is_own(inputs, source):
            continue
        known = sources.config_maps if source.kind == "ConfigMap" else sources.secrets
        data = known.get((inputs.namespace, source.name))
        if data is None:
            warnings.append(
                Diagnostic.of(document, source.field, _not_in_input(source.kind, source.name, inputs.namespace))
            )
        elif source.key is not None and source.key not in data:
            message = _missing_key(source.kind, source.name, source.key, data)
            errors.append(Diagnostic.of(document, source.field, message))
    return errors, tuple(warnings)


def _not_in_input(kind: str, name: str, namespace: str) -> str:
    return f"{kind} {name} in namespace {namespace} is not in the input and was not checked: add it with -f"


def _missing_key(kind: str, name: str, key: str, data: dict[str, str]) -> str:
    existing = f"existing keys: {', '.join(sorted(data))}" if data else "it has no keys"
    return f"{kind} {name} has no key {key}: add the key or correct the reference ({existing})"


def _unresolved_references(document: Document, sources: Sources) -> tuple[Diagnostic, ...]:
    """Return a warning for each referenced object that is not in the input, because its keys are not checked."""
    warnings = []
    for path, namespace, known in (
        (_PROMPT, _own_namespace(document), sources.config_maps),
        (_CHECKS, _own_namespace(document), sources.config_maps),
        (_SECRET, _children_namespace(document), sources.secrets),
    ):
        name = nested_field(document.body, *path.split("."), "name")
        if isinstance(name, str) and (namespace, name) not in known:
            kind = "Secret" if path == _SECRET else "ConfigMap"
            warnings.append(Diagnostic.of(document, path, _not_in_input(kind, name, namespace)))
    return tuple(warnings)
