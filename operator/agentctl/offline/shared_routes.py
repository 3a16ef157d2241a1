"""Warnings about hosts and paths that several agents of the input have."""

from collections.abc import Sequence

from agent_operator.kube.objects import Key
from agent_operator.kube.routes import RouteIndex
from agent_operator.validation import shared_routes
from agentctl.objects import Object
from agentctl.offline.diagnostics import Diagnostic
from agentctl.offline.documents import Document


def check(agents: Sequence[Document]) -> list[Diagnostic]:
    """Return a warning for each field with a host and a path that another agent has, too."""
    index = RouteIndex()
    for document in agents:
        index.record(_key(document), _spec(document))
    return [
        Diagnostic.of(document, warning.field, warning.message)
        for document in agents
        for warning in shared_routes.warnings(_key(document), _spec(document), index.shared(_key(document)))
    ]


def _key(document: Document) -> Key:
    return Key(str(document.metadata.get("namespace")), str(document.metadata.get("name")))


def _spec(document: Document) -> Object:
    spec = document.body.get("spec")
    return spec if isinstance(spec, dict) else {}
