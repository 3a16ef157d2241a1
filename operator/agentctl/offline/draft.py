"""The AgentDeployment that `agentctl new` writes, from its options or answers. Pure, except that it is validated."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_operator.api import constants
from agentctl.objects import Object
from agentctl.offline.checks import check
from agentctl.offline.diagnostics import Diagnostic
from agentctl.offline.documents import Document
from agentctl.offline.input_files import Sources

_KEYS = {"azure_openai": "AZURE_OPENAI_API_KEY", "openai": "OPENAI_API_KEY"}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
# Where an error is reported, the longest path first, and the option that sets the field.
_OPTIONS = (
    ("spec.config.models[0].deployment", "deployment"),
    ("spec.config.models[0].endpoint", "endpoint"),
    ("spec.config.models[0].baseUrl", "endpoint"),
    ("spec.config.models[0].model", "model"),
    ("spec.config.models[0].name", "model"),
    ("spec.config.models[0]", "provider"),
    ("spec.credentials", "secret"),
    ("spec.systemPrompt", "prompt"),
    ("spec.replicas", "replicas"),
    ("spec.autoscaling", "max_replicas"),
    ("spec.ingress.className", "ingress_class"),
    ("spec.ingress", "host"),
    ("metadata.namespace", "namespace"),
    ("metadata", "name"),
)


@dataclass(frozen=True, slots=True)
class Answers:
    """The options of `agentctl new`; empty for the default of the operator."""

    name: str = ""
    namespace: str = ""
    provider: str = ""
    model: str = ""
    deployment: str = ""
    endpoint: str = ""
    secret: str = ""
    prompt: str = ""
    replicas: int | None = None
    max_replicas: int | None = None
    host: str = ""
    ingress_class: str = ""
    chat_page: bool = False


def draft(answers: Answers) -> Object:
    """Return the AgentDeployment."""
    config: Object = {"models": [_model(answers)]}
    if answers.chat_page:
        config["chatPage"] = {"enabled": True}
    autoscaling = {"minReplicas": answers.replicas, "maxReplicas": answers.max_replicas}
    secret = {"name": answers.secret, "keys": [_KEYS.get(answers.provider, "OPENAI_API_KEY")]}
    ingress = {"host": answers.host, "className": answers.ingress_class}
    spec: Object = {
        "replicas": None if answers.max_replicas else answers.replicas,
        "autoscaling": _without_empty(autoscaling) if answers.max_replicas else None,
        "systemPrompt": {"text": answers.prompt} if answers.prompt else None,
        "config": config,
        "credentials": {"secretRef": secret} if answers.secret else None,
        "ingress": _without_empty(ingress) if answers.host else None,
    }
    return {
        "apiVersion": constants.API_VERSION,
        "kind": constants.KIND,
        "metadata": _without_empty({"name": answers.name, "namespace": answers.namespace}),
        "spec": _without_empty(spec),
    }


def _model(answers: Answers) -> Object:
    match answers.provider:
        case "azure_openai":
            name = answers.model or answers.deployment
            fields = {"deployment": answers.deployment, "endpoint": answers.endpoint}
        case "openai":
            name = _NOT_IN_NAMES.sub("-", answers.model.rpartition("/")[2])
            fields = {"model": answers.model if answers.model != name else "", "baseUrl": answers.endpoint}
        case _:
            name, fields = answers.model or "echo", {}
    return {"name": name, "provider": answers.provider, **_without_empty(fields)}


def _without_empty(fields: Mapping[str, Any]) -> Object:
    return {name: value for name, value in fields.items() if value not in ("", None)}


def validate(obj: Object) -> tuple[tuple[Diagnostic, ...], tuple[Diagnostic, ...]]:
    """Return the errors and warnings of an AgentDeployment, as `agentctl validate` finds them."""
    namespace = obj["metadata"].get("namespace") or "default"
    body = obj | {"metadata": obj["metadata"] | {"namespace": namespace}}
    document = Document("agent.yaml", 1, body)
    result = check(document, Sources((document,)))
    # The Secret is created separately; the command that creates it is printed.
    warnings = tuple(it for it in result.warnings if not it.field.startswith("spec.credentials"))
    return result.errors, warnings


def option_of(field: str) -> str:
    """Return the option that sets a field, as the name of its attribute of Answers; empty if there is none."""
    return next((name for path, name in _OPTIONS if field.startswith(path)), "")


def secret_command(obj: Object) -> str:
    """Return the command that creates the Secret of the agent; empty if it has none."""
    reference = ((obj["spec"].get("credentials") or {}).get("secretRef")) or {}
    if not reference:
        return ""
    namespace = obj["metadata"].get("namespace")
    scope = f" --namespace {namespace}" if namespace else ""
    # The key is read from standard input, so that the history of the shell does not contain it.
    return f"kubectl create secret generic {reference['name']}{scope} --from-file={reference['keys'][0]}=/dev/stdin"
