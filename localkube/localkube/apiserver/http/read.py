"""GET of objects and collections."""

import base64
import binascii
import bisect
from collections.abc import Iterable

import orjson
from aiohttp import web

from localkube.apiserver.http import encode, tables
from localkube.apiserver.http.negotiate import Representation
from localkube.apiserver.http.params import ListOptions
from localkube.apiserver.http.route import Target
from localkube.apiserver.registry import Registry
from localkube.apiserver.storage.store import Bucket, Record
from localkube.meta import status
from localkube.meta.status import ApiError, Object


def get(registry: Registry, target: Target, representation: Representation, include: str = "") -> web.Response:
    """Answer a GET of one object. Raises ApiError 404."""
    record = registry.store.bucket(target.storage).get((target.namespace, target.name))
    if record is None:
        raise status.not_found(target.resource.group, target.resource.plural, target.name)
    if representation.table:
        metadata = {"resourceVersion": str(record.version)}
        return encode.answer(tables.table(registry, target, [record], metadata, include))
    return encode.answer(encode.record_bytes(target, representation, record))


def collection(
    registry: Registry, target: Target, representation: Representation, options: ListOptions, include: str = ""
) -> web.Response:
    """Answer a list request. Raises ApiError 400, 410, 504."""
    records, metadata = page(registry, target, options)
    if representation.table:
        return encode.answer(tables.table(registry, target, records, metadata, include))
    return encode.answer(encode.list_bytes(target, representation, records, metadata))


def page(registry: Registry, target: Target, options: ListOptions) -> tuple[list[Record], Object]:
    """The records of one page and the metadata of the list."""
    bucket = registry.store.bucket(target.storage)
    version = registry.store.version
    check_version(bucket, version, options)
    start: tuple[str, str] | None = None
    if options.token:
        version, start = _parse_token(bucket, options.token, version)
    records = selected(bucket, target.namespace, options)
    if start is not None:
        keys = [r.key for r in records]
        records = records[bisect.bisect_right(keys, start) :]
    metadata: Object = {"resourceVersion": str(version)}
    if target.resource.custom:
        metadata = {"continue": "", **metadata}
    if options.limit and len(records) > options.limit:
        rest = len(records) - options.limit
        records = records[: options.limit]
        metadata["continue"] = _token(version, records[-1].key)
        if options.labels is None and options.fields is None:
            metadata["remainingItemCount"] = rest
    return records, metadata


def selected(bucket: Bucket, namespace: str, options: ListOptions) -> list[Record]:
    """The records that match the selectors, in order."""
    found: Iterable[Record]
    name = options.fields.exact("metadata.name") if options.fields is not None else None
    if name is not None and namespace:
        record = bucket.get((namespace, name))
        found = [record] if record is not None and options.matches(record.object) else []
        return list(found)
    found = bucket.select(namespace, options.labels)
    if options.fields is not None:
        fields = options.fields
        return [r for r in found if fields.matches(r.object)]
    return list(found)


def check_version(bucket: Bucket, current: int, options: ListOptions) -> None:
    """Raise ApiError if the list is not available at the requested resourceVersion."""
    if not options.resource_version:
        return
    requested = parse_version(options.resource_version)
    if requested is None:
        shown = options.resource_version
        raise status.bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{shown}": '
            f'strconv.ParseUint: parsing "{shown}": invalid syntax'
        )
    if requested > current:
        raise _too_large(requested, current)
    newest = bucket.history[-1].record.version if bucket.history else bucket.forgotten
    if options.match == "Exact" and requested < newest:
        raise status.gone(f"The resourceVersion for the provided list is too old: {requested} ({newest})")


def _too_large(requested: int, current: int) -> ApiError:
    message = f"Too large resource version: {requested}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return ApiError(status.make(504, "Timeout", f"Timeout: {message}", {"causes": causes, "retryAfterSeconds": 1}))


def parse_version(text: str) -> int | None:
    """Parse a resourceVersion; None if it is invalid."""
    return int(text) if text.isascii() and text.isdigit() else None


def _token(version: int, key: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps({"v": version, "start": list(key)})).decode().rstrip("=")


def _parse_token(bucket: Bucket, token: str, current: int) -> tuple[int, tuple[str, str]]:
    try:
        found = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        version, (namespace, name) = int(found["v"]), found["start"]
    except (ValueError, TypeError, KeyError, binascii.Error):
        raise status.bad_request("invalid continue token: continue key is not valid") from None
    if version < bucket.forgotten or version > current:
        raise status.gone(status.EXPIRED)
    return version, (str(namespace), str(name))
