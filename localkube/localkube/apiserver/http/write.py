"""POST, PUT, PATCH and DELETE of objects and collections."""

from typing import Any

from aiohttp import web

from kubeschema.decode import strict_error
from kubeschema.errors import Cause
from localkube.apiserver import versions
from localkube.apiserver.http import bodies, encode, params, patching, tables
from localkube.apiserver.http.bodies import Body
from localkube.apiserver.http.negotiate import Representation
from localkube.apiserver.http.read import selected
from localkube.apiserver.http.route import Target
from localkube.apiserver.options import DeleteOptions, Outcome, WriteOptions
from localkube.apiserver.registry import Registry
from localkube.apiserver.resources import Resource
from localkube.meta import status
from localkube.meta.status import Object

# Resources whose DELETE returns the object instead of a Status.
_RETURNED = frozenset(
    (
        "pods",
        "services",
        "serviceaccounts",
    )
)


_ORPHANED_PODS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set"
    " propagationPolicy=Orphan to suppress this warning"
)


def respond(
    registry: Registry, target: Target, representation: Representation, outcome: Outcome, include: str = ""
) -> web.Response:
    """Build the answer with the written object."""
    code = 201 if outcome.created else 200
    warnings = outcome.warnings
    if representation.table and outcome.record is not None:
        metadata = {"resourceVersion": str(outcome.record.version)}
        shown = tables.table(registry, target, [outcome.record], metadata, include)
        return encode.answer(shown, code=code, warnings=warnings)
    if outcome.record is not None:
        body = encode.record_bytes(target, representation, outcome.record)
        return encode.answer(body, code=code, warnings=warnings)
    obj = versions.served(target.resource, target.version, outcome.object)
    return encode.answer(obj, code=code, warnings=warnings)


def _duplicates(target: Target, body: Body, options: WriteOptions) -> tuple[str, ...]:
    """Return warnings for duplicate fields in the text. Raises ApiError 400 with fieldValidation Strict."""
    if not body.problems or options.validation == "Ignore":
        return ()
    if options.validation == "Strict":
        gvk = (target.resource.group, target.version, target.resource.kind)
        raise status.from_fields(strict_error(gvk, body.problems))
    return tuple(body.problems)


def create(registry: Registry, target: Target, body: Body, options: WriteOptions) -> Outcome:
    """POST of a collection."""
    obj = bodies.as_object(body.value, target.resource, target.version)
    if target.resource.stored_as == "events" and not obj.get("eventTime"):
        # events.k8s.io requires eventTime; the core API, in which Events are stored, does not.
        cause = Cause("FieldValueRequired", "Required value", "eventTime")
        raise status.invalid("", target.resource.kind, obj["metadata"].get("name", ""), [cause])
    warnings = _duplicates(target, body, options)
    outcome = registry.writer.create(_stored(registry, target), target.namespace, _to_stored(target, obj), options)
    return outcome._replace(warnings=warnings + outcome.warnings)


def replace(registry: Registry, target: Target, body: Body, options: WriteOptions) -> Outcome:
    """PUT of an object or its status."""
    obj = bodies.as_object(body.value, target.resource, target.version)
    obj = bodies.named(obj, target.name, target.namespace)
    warnings = _duplicates(target, body, options)
    if target.resource.custom and not obj["metadata"].get("resourceVersion"):
        registry.writer.live(target.resource, target.namespace, target.name)
        message = "Invalid value: 0: must be specified for an update"
        cause = Cause("FieldValueInvalid", message, "metadata.resourceVersion")
        raise status.invalid(target.resource.group, target.resource.plural, target.name, [cause])
    resource = _stored(registry, target)
    outcome = registry.writer.update(
        resource, target.namespace, target.name, lambda _: _to_stored(target, obj), options
    )
    return outcome._replace(warnings=warnings + outcome.warnings)


def patch(registry: Registry, target: Target, media: str, text: bytes, options: WriteOptions) -> Outcome:
    """PATCH of an object or its status."""
    patching.check_type(media, target.resource)
    if media == patching.APPLY:
        return apply(registry, target, text, options)
    body = bodies.parse(text)
    resource = _stored(registry, target)
    change = patching.change(media, body.value, registry.strategy(resource, target.version))

    def checked(obj: Object) -> Object:
        changed = change(versions.served(target.resource, target.version, obj) if target.resource.stored_as else obj)
        changed = bodies.as_object(changed, target.resource, target.version)
        return _to_stored(target, bodies.named(changed, target.name, target.namespace))

    outcome = registry.writer.update(resource, target.namespace, target.name, checked, options)
    return outcome._replace(warnings=_duplicates(target, body, options) + outcome.warnings)


def apply(registry: Registry, target: Target, text: bytes, options: WriteOptions) -> Outcome:
    """Server-side apply."""
    body = bodies.parse(text, yaml=True)
    value = body.value
    if not isinstance(value, dict) or not value.get("apiVersion") or not value.get("kind"):
        found = value if isinstance(value, dict) else {}
        raise status.bad_request(f"invalid object type: {found.get('apiVersion', '/')}, Kind={found.get('kind', '')}")
    obj = bodies.as_object(value, target.resource, target.version)
    named = bodies.named(obj, target.name, target.namespace)
    obj = {**obj, "metadata": {**(obj.get("metadata") or {}), "name": named["metadata"]["name"]}}
    warnings = _duplicates(target, body, options)
    outcome = registry.writer.apply(_stored(registry, target), target.namespace, _to_stored(target, obj), options)
    return outcome._replace(warnings=warnings + outcome.warnings)


def apply_manager(query: params.Query) -> None:
    """Raise ApiError 422 for an apply without fieldManager."""
    if not query.get("fieldManager"):
        message = "Required value: is required for apply patch"
        raise status.options_invalid("PatchOptions", "fieldManager", "FieldValueRequired", message)


def delete_options(query: params.Query, body: Any) -> DeleteOptions:
    """Parse DeleteOptions from the body, or from the query if the request has no body. Raises ApiError 400, 422."""
    given: Object = body if isinstance(body, dict) else {}
    if given:
        query = {}
    conditions = given.get("preconditions") or {}
    propagation = query.get("propagationPolicy") or given.get("propagationPolicy") or ""
    orphan = given.get("orphanDependents", query.get("orphanDependents"))
    if orphan is not None and not propagation:
        propagation = "Orphan" if str(orphan).lower() == "true" else "Background"
    if propagation not in ("", "Foreground", "Background", "Orphan"):
        message = f'Unsupported value: "{propagation}": supported values: "Foreground", "Background", "Orphan", "nil"'
        raise status.options_invalid("DeleteOptions", "propagationPolicy", "FieldValueNotSupported", message)
    grace = query.get("gracePeriodSeconds", given.get("gracePeriodSeconds"))
    dry = params.dry_run(query, "DeleteOptions") or "All" in (given.get("dryRun") or ())
    try:
        seconds = None if grace is None else int(grace)
    except ValueError:
        raise status.bad_request(f'strconv.ParseInt: parsing "{grace}": invalid syntax') from None
    return DeleteOptions(
        uid=conditions.get("uid") or "",
        resource_version=conditions.get("resourceVersion") or "",
        grace=seconds,
        propagation=propagation,
        dry_run=dry,
    )


def delete(registry: Registry, target: Target, representation: Representation, options: DeleteOptions) -> web.Response:
    """DELETE of an object."""
    resource = _stored(registry, target)
    record = registry.writer.live(resource, target.namespace, target.name)
    outcome = registry.remove(resource, record, options)
    if resource.key == "jobs.batch" and not options.propagation:
        outcome = outcome._replace(warnings=(_ORPHANED_PODS,))
    if not outcome.removed or resource.key in _RETURNED:
        return respond(registry, target, representation, outcome)
    found = {
        **status.details(target.resource.group, target.resource.plural, target.name),
        "uid": outcome.object["metadata"]["uid"],
    }
    return encode.answer(status.success(found))


def delete_collection(
    registry: Registry,
    target: Target,
    representation: Representation,
    options: DeleteOptions,
    chosen: params.ListOptions,
) -> web.Response:
    """DELETE of a collection."""
    resource = _stored(registry, target)
    records = selected(registry.store.bucket(resource.key), target.namespace, chosen)
    for record in records:
        registry.remove(resource, record, options)
    metadata = {"resourceVersion": str(registry.store.version)}
    return encode.answer(encode.list_bytes(target, representation, records, metadata))


def _to_stored(target: Target, obj: Object) -> Object:
    """Convert an object to the resource that stores it, if that is another one, as for events.k8s.io."""
    return versions.stored(target.resource, target.version, obj) if target.resource.stored_as else obj


def _stored(registry: Registry, target: Target) -> Resource:
    """The stored resource: differs from the target's if that is a view of another one."""
    if target.resource.stored_as:
        return registry.resource(target.resource.stored_as)
    return target.resource
