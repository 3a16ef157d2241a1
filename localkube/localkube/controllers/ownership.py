"""Adoption and release of children, as the ControllerRefManager of Kubernetes does it."""

from localkube.apiserver.registry import Registry
from localkube.controllers.selection import select
from localkube.meta.objects import controller_of, is_deleting, owner_reference
from localkube.meta.selectors import LabelSelector
from localkube.meta.status import Object


def claim(registry: Registry, owner: Object, resource: str, manager: str) -> list[Object]:
    """Return the children of `owner`. Orphans that its selector matches are adopted; other children are released."""
    uid = owner["metadata"]["uid"]
    namespace = owner["metadata"]["namespace"]
    selector = LabelSelector.of(owner["spec"]["selector"])
    claimed = []
    for child in registry.owned(resource, uid):
        if not _controlled(child, uid):
            continue
        if selector.matches(child) or is_deleting(child):
            claimed.append(child)
        else:
            _release(registry, child, resource, uid, manager)
    if not is_deleting(owner):
        matching = select(registry, resource, namespace, selector)
        orphans = [c for c in matching if controller_of(c) is None and not is_deleting(c)]
        claimed += [_adopt(registry, owner, orphan, resource, manager) for orphan in orphans]
    return claimed


def _controlled(child: Object, uid: str) -> bool:
    reference = controller_of(child)
    return reference is not None and reference["uid"] == uid


def _release(registry: Registry, child: Object, resource: str, uid: str, manager: str) -> None:
    kept = [r for r in child["metadata"]["ownerReferences"] if r["uid"] != uid]
    _write(registry, child, resource, kept, manager)


def _adopt(registry: Registry, owner: Object, child: Object, resource: str, manager: str) -> Object:
    references = [*(child["metadata"].get("ownerReferences") or ()), owner_reference(owner)]
    return _write(registry, child, resource, references, manager)


def _write(registry: Registry, child: Object, resource: str, references: list[Object], manager: str) -> Object:
    changed = {**child, "metadata": {**child["metadata"], "ownerReferences": references}}
    return registry.update(resource, child["metadata"]["namespace"], changed, manager=manager)
