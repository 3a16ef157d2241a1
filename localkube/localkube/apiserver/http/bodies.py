"""Parses request bodies: JSON, YAML and protobuf."""

from typing import Any, NamedTuple

from aiohttp import web

from kubeschema import body
from kubeschema.errors import FieldsError
from localkube.apiserver.http import protobuf
from localkube.apiserver.resources import Resource
from localkube.meta import status
from localkube.meta.status import Object

_ACCEPTED = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")


class Body(NamedTuple):
    """A parsed body and the problems of its text, such as duplicate fields."""

    value: Any
    problems: list[str]


def media_type(request: web.BaseRequest) -> str:
    """The media type of the body without parameters; JSON by default."""
    found = request.headers.get("Content-Type", "").partition(";")[0].strip()
    return found or "application/json"


async def read(request: web.BaseRequest, kind: str) -> Body:
    """Read the body of a create, update or delete, which should be a `kind`. Raises ApiError 400, 415."""
    media = media_type(request)
    if media == protobuf.MEDIA:
        return Body(protobuf.decode(await request.read()), [])
    if media not in ("application/json", "application/yaml"):
        raise status.unsupported_media(_ACCEPTED)
    return parse(await request.read(), kind, yaml=media == "application/yaml")


def parse(text: bytes, kind: str = "", *, yaml: bool = False) -> Body:
    """Parse JSON or YAML. Raises ApiError 400."""
    try:
        return Body(*(body.parse_yaml(text, kind) if yaml else body.parse_json(text, kind)))
    except FieldsError as error:
        raise status.from_fields(error) from error


def as_object(value: Any, resource: Resource, version: str) -> Object:
    """Check that the body is an object of the resource, and set a missing apiVersion and kind. Raises ApiError 400."""
    if not isinstance(value, dict):
        message = f"the object provided is unrecognized (must be of type {resource.kind}): couldn't get version/kind"
        raise status.bad_request(message)
    api_version = resource.group_version(version)
    given_version, given_kind = value.get("apiVersion"), value.get("kind")
    if given_kind not in (None, "", resource.kind):
        message = (
            f'{given_kind} in version "{(given_version or api_version).rpartition("/")[2]}" cannot be handled as a '
            f"{resource.kind}: converting ({given_version}.{given_kind}) to "
            f"({resource.group or 'core'}.{resource.kind}): unknown conversion"
        )
        raise status.bad_request(message)
    if given_version not in (None, "", api_version):
        if resource.custom or str(given_version).rpartition("/")[0] != resource.group:
            message = (
                f"the API version in the data ({given_version}) does not match the expected API version ({api_version})"
            )
        else:
            short = str(given_version).rpartition("/")[2]
            message = (
                f'{resource.kind} in version "{short}" cannot be handled as a {resource.kind}: no kind '
                f'"{resource.kind}" is registered for version "{given_version}" in scheme'
            )
        raise status.bad_request(message)
    return {**value, "apiVersion": api_version, "kind": resource.kind}


def named(obj: Object, name: str, namespace: str) -> Object:
    """Set the name and namespace of the URL in the object. Raises ApiError 400 if it has others."""
    meta = obj.get("metadata")
    meta = dict(meta) if isinstance(meta, dict) else {}
    if meta.get("name", name) != name:
        raise status.bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
    if namespace and meta.get("namespace", namespace) != namespace:
        given = meta["namespace"]
        raise status.bad_request(
            f"the namespace of the object ({given}) does not match the namespace on the request ({namespace})"
        )
    meta["name"] = name
    if namespace:
        meta["namespace"] = namespace
    return {**obj, "metadata": meta}
