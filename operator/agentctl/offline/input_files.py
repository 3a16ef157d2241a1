"""The AgentDeployments of an input, and the ConfigMaps and Secrets in it that they can reference."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agent_operator.api import constants
from agent_operator.kube.resources import CHANNEL
from agentctl.errors import CommandError
from agentctl.offline import documents
from agentctl.offline.documents import Document, Unreadable

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sources:
    """The objects of an input.

    Attributes:
        agents: the AgentDeployments, in order.
        channels: the AgentRuntimeChannels, in order.
        unreadable: the documents that cannot be parsed.
        others: the ConfigMaps and Secrets, in order.
        config_maps: data of the ConfigMaps by namespace and name.
        secrets: data of the Secrets, base64-encoded, by namespace and name.
    """

    agents: tuple[Document, ...]
    channels: tuple[Document, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    others: tuple[Document, ...] = field(default=(), repr=False)
    config_maps: dict[Key, dict[str, str]] = field(default_factory=dict)
    secrets: dict[Key, dict[str, str]] = field(default_factory=dict, repr=False)


def read(paths: Sequence[str], namespace: str, *, ignore_other_files: bool = False) -> Sources:
    """Read the input. Objects without a namespace get `namespace`.

    With `ignore_other_files`, the input may contain neither kind, and a document that cannot be parsed is ignored
    unless its file mentions the API group of the AgentDeployment.

    Raises:
        CommandError: a file cannot be read, or the input has neither an AgentDeployment nor an AgentRuntimeChannel.
    """
    found, unreadable = documents.read_all(paths, only=constants.GROUP if ignore_other_files else "")
    agents = tuple(_with_namespace(document, namespace) for document in found if document.kind == constants.KIND)
    channels = tuple(document for document in found if document.kind == CHANNEL.kind)
    if not agents and not channels and not unreadable and not ignore_other_files:
        kinds = ", ".join(sorted({document.kind or "objects without a kind" for document in found}))
        raise CommandError(
            f"{', '.join(paths)}: no {constants.KIND} found, only {kinds}: specify a file that contains one"
        )
    others = tuple(item for item in found if _is_core_kind(item, "ConfigMap") or _is_core_kind(item, "Secret"))
    return Sources(agents, channels, unreadable, others, _config_maps(found, namespace), _secrets(found, namespace))


def _with_namespace(document: Document, namespace: str) -> Document:
    """Set the namespace that kubectl would set."""
    if not document.metadata or document.metadata.get("namespace"):
        return document
    metadata = document.metadata | {"namespace": namespace}
    body = document.body | {"metadata": metadata}
    return Document(document.file, document.number, body, document.lines, document.duplicates)


def _key(document: Document, namespace: str) -> Key:
    return (str(document.metadata.get("namespace") or namespace), str(document.metadata.get("name")))


def _string_map(document: Document, name: str) -> dict[str, str]:
    found = document.body.get(name)
    if not isinstance(found, dict):
        return {}
    return {str(key): value for key, value in found.items() if isinstance(value, str)}


def _config_maps(found: Iterable[Document], namespace: str) -> dict[Key, dict[str, str]]:
    return {_key(item, namespace): _string_map(item, "data") for item in found if _is_core_kind(item, "ConfigMap")}


def _secrets(found: Iterable[Document], namespace: str) -> dict[Key, dict[str, str]]:
    return {
        _key(item, namespace): _string_map(item, "data")
        | {key: base64.b64encode(text.encode()).decode() for key, text in _string_map(item, "stringData").items()}
        for item in found
        if _is_core_kind(item, "Secret")
    }


def _is_core_kind(document: Document, kind: str) -> bool:
    return document.kind == kind and document.api_version == "v1"
