"""The checks that the API server makes of the children of an agent, offline."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agent_operator.render import Rendered
from agent_operator.render.list_keys import list_keys
from agent_operator.status.field_paths import agent_path
from agentctl.offline.diagnostics import Diagnostic
from agentctl.offline.documents import Document
from kubeschema.errors import Cause
from kubeschema.kinds import defaults, validation

Object = Mapping[str, Any]


def check(document: Document, rendered: Rendered) -> Iterator[Diagnostic]:
    """Yield an error for each field of a child that the API server would reject."""
    for manifest in rendered.manifests:
        for cause in _causes(manifest):
            field = agent_path(manifest["kind"], cause.field, manifest, document.body["spec"])
            where = f"{manifest['kind']} {manifest['metadata']['name']}: {cause.field}"
            yield Diagnostic.of(document, field, f"{cause.message}: correct it ({where})")


def _causes(manifest: Object) -> list[Cause]:
    """Return the first causes that the API server would find: of decoding, otherwise of validation."""
    if twice := list(_duplicates(manifest, "", "")):
        return twice
    group, _, version = manifest["apiVersion"].rpartition("/")
    gvk = (group, version, manifest["kind"])
    obj = defaults.default(gvk, dict(manifest))
    return validation.validate_create(gvk, obj, namespaced=manifest["kind"] != "Namespace")


def _duplicates(value: Any, parent: str, path: str) -> Iterator[Cause]:
    """Yield the items of associative lists that have the keys of an earlier item. Server-side apply rejects them."""
    if isinstance(value, Mapping):
        for name, below in value.items():
            here = f"{path}.{name}".lstrip(".")
            if isinstance(below, list):
                yield from _duplicates_of_list(below, list_keys(parent, name), name, here)
            else:
                yield from _duplicates(below, name, here)


def _duplicates_of_list(items: Iterable[Any], keys: tuple[str, ...], name: str, path: str) -> Iterator[Cause]:
    seen = set()
    for index, item in enumerate(items):
        here = f"{path}[{index}]"
        if keys and isinstance(item, Mapping):
            identity = tuple(str(item.get(key, "TCP" if key == "protocol" else "")) for key in keys)
            if identity in seen:
                shown = ", ".join(f"{key} {value}" for key, value in zip(keys, identity, strict=True))
                yield Cause("FieldValueDuplicate", f"an earlier item has the same {shown}", here)
            seen.add(identity)
        yield from _duplicates(item, name, here)
