"""The objects of the input: checked, and without what a cluster adds to them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from pydantic import ValidationError

from agent_operator.api import constants
from agent_operator.api.kubernetes_models import typed
from agent_runtime.config import explain
from agentctl.conversion.defaults import normalized
from agentctl.objects import Object, nested_field
from agentctl.offline.diagnostics import Diagnostic
from agentctl.offline.documents import Document

# Kinds with a model of the Kubernetes API, by group and kind. Secrets have none here: their values are never read.
_MODELS: Mapping[tuple[str, str], str] = {
    ("apps/v1", "Deployment"): "V1Deployment",
    ("v1", "Service"): "V1Service",
    ("v1", "ServiceAccount"): "V1ServiceAccount",
    ("v1", "ConfigMap"): "V1ConfigMap",
    ("networking.k8s.io/v1", "Ingress"): "V1Ingress",
    ("networking.k8s.io/v1", "NetworkPolicy"): "V1NetworkPolicy",
    ("autoscaling/v1", "HorizontalPodAutoscaler"): "V1HorizontalPodAutoscaler",
    ("autoscaling/v2", "HorizontalPodAutoscaler"): "V2HorizontalPodAutoscaler",
    ("policy/v1", "PodDisruptionBudget"): "V1PodDisruptionBudget",
}
_GROUPS = {kind: tuple(version for version, known in _MODELS if known == kind) for _, kind in _MODELS}
# Objects that controllers create from others.
_DERIVED = frozenset({"ControllerRevision", "Endpoints", "EndpointSlice", "Event", "Lease", "Pod", "ReplicaSet"})
_CLUSTER_SCOPED = frozenset({"Namespace", "ClusterRole", "ClusterRoleBinding", "ClusterSecretStore", "GatewayClass"})
_KUSTOMIZE = re.compile(r"kustomization\.ya?ml|Kustomization")
_NAME = 253


def string_map(value: Any) -> Mapping[str, str]:
    """Return the strings of a map; empty if it is not a map."""
    return {key: text for key, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}


class InvalidManifestsError(Exception):
    """Objects of the input are not valid. `diagnostics` has one entry per error."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__(str(diagnostics[0]))
        self.diagnostics = tuple(diagnostics)


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """One object of the input.

    Attributes:
        document: where the object is from.
        namespace: its namespace, also if the document does not set one; empty for a cluster-scoped object.
        body: the object as the models of Kubernetes dump it, without status and defaults.
    """

    document: Document
    namespace: str
    body: Object

    @property
    def kind(self) -> str:
        """The kind, such as Deployment; with its group for a kind of another API with the same name."""
        kind, version = self.document.kind, self.document.api_version
        is_other = kind in _GROUPS and version not in _GROUPS[kind]
        return f"{kind}.{version.partition('/')[0]}" if is_other else kind

    @property
    def name(self) -> str:
        """The name of the object."""
        return str(self.document.metadata["name"])

    @property
    def title(self) -> str:
        """Kind and name, as kubectl prints them."""
        return f"{self.kind}/{self.name}"

    @property
    def labels(self) -> Mapping[str, str]:
        """All labels of the object, also those that `body` leaves out."""
        return string_map(self.document.metadata.get("labels"))

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations of the object."""
        return nested_field(self.body, "metadata", "annotations") or {}

    @property
    def spec(self) -> Object:
        """The field spec; empty if there is none."""
        spec = self.body.get("spec")
        return spec if isinstance(spec, dict) else {}

    def place(self, field: str = "") -> str:
        """Return file and line of a field; empty for an object of a cluster."""
        return f"{self.document.file}:{self.document.line(field)}" if self.document.lines else ""


def parse(documents: Iterable[Document], namespace: str) -> tuple[tuple[Manifest, ...], tuple[str, ...]]:
    """Return the objects of the input, and notes on documents that are left out.

    Args:
        documents: the documents of the input.
        namespace: namespace of objects that do not set one.

    Raises:
        InvalidManifestsError: documents are not Kubernetes objects, or fields have the wrong type.
    """
    found: dict[tuple[str, str, str], Manifest] = {}
    errors: list[Diagnostic] = []
    notes: list[str] = []
    for document in (item for given in documents for item in _expanded(given)):
        if note := _left_out(document):
            notes += [note] if note.strip() else []
            continue
        problems = list(_problems(document))
        if problems:
            errors += problems
            continue
        manifest = _manifest(document, namespace)
        key = (manifest.kind, manifest.namespace, manifest.name)
        if key in found:
            other = found[key].document
            message = f"is also in {other.file}, document {other.number}: remove one of the two"
            errors.append(Diagnostic.of(document, "metadata.name", message))
        found.setdefault(key, manifest)
    if errors:
        raise InvalidManifestsError(errors)
    return tuple(found.values()), tuple(dict.fromkeys(notes))


def _expanded(document: Document) -> Iterator[Document]:
    """Yield the items of a typed list such as a DeploymentList. documents.read has expanded the kind List."""
    items = document.body.get("items")
    if not document.kind.endswith("List") or not isinstance(items, list):
        yield document
        return
    for index, item in enumerate(items):
        prefix = f"items[{index}]"
        lines = {
            path.removeprefix(prefix).lstrip("."): line
            for path, line in document.lines.items()
            if path.startswith((f"{prefix}.", prefix)) and path[len(prefix) : len(prefix) + 1] in ("", ".")
        }
        twice = tuple(path.removeprefix(f"{prefix}.") for path in document.duplicates if path.startswith(f"{prefix}."))
        # The API server leaves out kind and apiVersion in the items of a typed list.
        known = {"apiVersion": document.api_version, "kind": document.kind.removesuffix("List")}
        body = known | item if isinstance(item, dict) else {"items": item}
        yield Document(document.file, document.number, body, lines, twice)


def _left_out(document: Document) -> str:
    """Return why a document is no part of the conversion; a blank if nobody needs to know; empty if it is a part."""
    if _KUSTOMIZE.fullmatch(PurePath(document.file).name) or document.api_version.startswith("kustomize."):
        return f"{document.file}: not read: run kubectl kustomize DIRECTORY | agentctl import -f -"
    if document.kind in _DERIVED:
        return " "
    owners = document.metadata.get("ownerReferences")
    for owner in owners if isinstance(owners, list) else ():
        if nested_field(owner, "kind") == constants.KIND:
            owner_title = f"{constants.KIND} {nested_field(owner, 'name')}"
            return f"{document.kind}/{document.metadata.get('name')}: left out: it belongs to the {owner_title}"
    if document.kind in (constants.KIND, constants.CHANNEL_KIND):
        return f"{document.kind}/{document.metadata.get('name')}: left out: nothing to convert"
    return ""


def _problems(document: Document) -> Iterator[Diagnostic]:
    """Yield what is wrong with a document. Messages name file, document and field."""
    where = f"document {document.number}" if document.lines else "object"
    yield from (
        Diagnostic.of(document, path, f"duplicate field in {where}: keep one of the two")
        for path in document.duplicates
    )
    for field in ("apiVersion", "kind"):
        if not isinstance(document.body.get(field), str) or not document.body[field]:
            yield Diagnostic.of(document, field, f"missing in {where}: add it, or leave the file out")
            return
    name = document.metadata.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= _NAME:
        yield Diagnostic.of(document, "metadata.name", f"{where} ({document.kind}) needs a name: add it")
        return
    known = _GROUPS.get(document.kind, ())
    if known and document.api_version not in known:
        if document.api_version.partition("/")[0] in {"extensions", *(version.partition("/")[0] for version in known)}:
            yield Diagnostic.of(document, "apiVersion", f"must be {' or '.join(known)}: kubectl convert can convert it")
        return
    yield from _malformed(document)


def _malformed(document: Document) -> Iterator[Diagnostic]:
    model = _MODELS.get((document.api_version, document.kind))
    if model is None:
        return
    try:
        typed(model).model_validate(_with_text_quantities(_without_server_fields(document.body)))
    except ValidationError as error:
        for line in explain(error).splitlines():
            path, _, message = line.partition(": ")
            yield Diagnostic.of(document, path, f"{message}, in document {document.number}: correct it")


def _manifest(document: Document, namespace: str) -> Manifest:
    own = document.metadata.get("namespace")
    body = _without_server_fields(document.body)
    model = _MODELS.get((document.api_version, document.kind))
    if model is not None:
        value = typed(model).model_validate(_with_text_quantities(body))
        body = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    where = "" if document.kind in _CLUSTER_SCOPED else own if isinstance(own, str) and own else namespace
    return Manifest(document, where, normalized(document.kind, body))


def _without_server_fields(body: Object) -> Object:
    """Return the object without status and without the metadata that the API server and kubectl write."""
    metadata = body.get("metadata")
    kept = {"name", "namespace", "labels", "annotations"}
    fields = {key: value for key, value in metadata.items() if key in kept} if isinstance(metadata, dict) else metadata
    return {key: value for key, value in body.items() if key != "status"} | {"metadata": fields}


def _with_text_quantities(value: Any, field: str = "") -> Any:
    """Write quantities as strings, which the models require. The API server also accepts numbers."""
    if isinstance(value, dict):
        if field in ("requests", "limits"):
            return {key: str(item) if type(item) in (int, float) else item for key, item in value.items()}
        return {key: _with_text_quantities(item, str(key)) for key, item in value.items()}
    return [_with_text_quantities(item) for item in value] if isinstance(value, list) else value
