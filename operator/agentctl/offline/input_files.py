"""The agents of an input, and the ConfigMaps and Secrets beside them that they refer to."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent_operator.api import constants
from agentctl.errors import CommandError
from agentctl.offline import documents
from agentctl.offline.documents import Document

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sources:
    """What an input holds. The data of ConfigMaps and Secrets is found by namespace and name; a Secret's is base64."""

    agents: tuple[Document, ...]
    config_maps: dict[Key, dict[str, str]] = field(default_factory=dict)
    secrets: dict[Key, dict[str, str]] = field(default_factory=dict, repr=False)


def read(paths: Sequence[str], namespace: str, *, ignore_other_files: bool = False) -> Sources:
    """Read the input; `namespace` is where objects are that do not say.

    With `ignore_other_files` the input may hold no AgentDeployment, and a file that cannot be parsed is skipped
    unless it mentions our API group.

    Raises:
        CommandError: it cannot be read, or holds no AgentDeployment.
    """
    found = documents.read(paths, only=constants.GROUP) if ignore_other_files else documents.read(paths)
    agents = tuple(_placed(document, namespace) for document in found if document.kind == constants.KIND)
    if not agents and not ignore_other_files:
        kinds = ", ".join(sorted({document.kind or "no kind" for document in found}))
        raise CommandError(f"{', '.join(paths)}: no {constants.KIND} in it, but {kinds}: name the file that holds one")
    return Sources(agents, _texts(found, namespace), _secrets(found, namespace))


def _placed(document: Document, namespace: str) -> Document:
    """Put an object into the namespace that kubectl would put it into."""
    if not document.metadata or document.metadata.get("namespace"):
        return document
    metadata = document.metadata | {"namespace": namespace}
    body = document.body | {"metadata": metadata}
    return Document(document.file, document.number, body, document.lines, document.duplicates)


def _key(document: Document, namespace: str) -> Key:
    return (str(document.metadata.get("namespace") or namespace), str(document.metadata.get("name")))


def _map(document: Document, name: str) -> dict[str, str]:
    found = document.body.get(name)
    return (
        {str(key): value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
    )


def _texts(found: Iterable[Document], namespace: str) -> dict[Key, dict[str, str]]:
    return {_key(item, namespace): _map(item, "data") for item in found if _is(item, "ConfigMap")}


def _secrets(found: Iterable[Document], namespace: str) -> dict[Key, dict[str, str]]:
    return {
        _key(item, namespace): _map(item, "data")
        | {key: base64.b64encode(text.encode()).decode() for key, text in _map(item, "stringData").items()}
        for item in found
        if _is(item, "Secret")
    }


def _is(document: Document, kind: str) -> bool:
    return document.kind == kind and document.api_version == "v1"


def dig(value: Any, *path: str) -> Any:
    """Return what is at a path of keys, or None; the value may be of any shape."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
