"""Encodes answers. Each stored version of an object is encoded once."""

from collections.abc import Iterable

import orjson
from aiohttp import web

from localkube.apiserver import versions
from localkube.apiserver.http.negotiate import Representation
from localkube.apiserver.http.route import Target
from localkube.apiserver.storage.store import Record
from localkube.meta.status import Object

_PARTIAL = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}


def partial(obj: Object) -> Object:
    """The `PartialObjectMetadata` of an object."""
    return {**_PARTIAL, "metadata": obj["metadata"]}


def record_bytes(target: Target, representation: Representation, record: Record) -> bytes:
    """Encode a stored object in a representation other than Table."""
    if representation.shown_as:
        return orjson.dumps(partial(record.object))
    if target.version == target.resource.storage_version and not target.resource.stored_as:
        return record.json
    return orjson.dumps(versions.served(target.resource, target.version, record.object))


def list_bytes(target: Target, representation: Representation, records: Iterable[Record], metadata: Object) -> bytes:
    """Encode a list. Like in the real server's lists, items of built-in kinds have no kind and apiVersion."""
    resource = target.resource
    bodies = (record_bytes(target, representation, record) for record in records)
    if representation.shown_as:
        head: Object = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
    else:
        head = {"kind": resource.lists, "apiVersion": resource.group_version(target.version)}
        if not resource.custom:
            cut = len(_prefix(resource.group_version(target.version), resource.kind))
            bodies = (b"{" + body[cut:] for body in bodies)
    start = orjson.dumps({**head, "metadata": metadata})[:-1]
    return start + b',"items":[' + b",".join(bodies) + b"]}\n"


def _prefix(api_version: str, kind: str) -> bytes:
    return orjson.dumps({"apiVersion": api_version, "kind": kind})[:-1] + b","


def answer(
    body: bytes | Object,
    *,
    code: int = 200,
    warnings: Iterable[str] = (),
    headers: dict[str, str] | None = None,
) -> web.Response:
    """Build an HTTP response with a JSON body."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    response = web.Response(body=content, status=code, content_type="application/json", headers=headers)
    for warning in warnings:
        escaped = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')
    return response
