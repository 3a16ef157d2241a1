"""`services/NAME:PORT/proxy/PATH`: forwards HTTP requests to a pod behind a Service."""

import aiohttp
from aiohttp import web

from localkube.apiserver.http.route import Target
from localkube.apiserver.registry import Registry
from localkube.meta import status
from localkube.meta.objects import SERVICE_NAME_LABEL
from localkube.meta.status import ApiError

# Hop-by-hop headers (RFC 9110, 7.6.1), and the credentials for the API server, which the pod must not see.
_NOT_FORWARDED = frozenset(
    ("authorization", "connection", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)
_CHUNK = 64 * 1024
_CONNECT_SECONDS = 5.0


async def forward(registry: Registry, request: web.BaseRequest, target: Target) -> web.StreamResponse:
    """Forward the request and stream the answer. Raises ApiError 400, 404, 503."""
    scheme, name, port = _parts(target.name)
    address = _endpoint(registry, target.namespace, name, port)
    _, _, path = request.rel_url.raw_path.partition(f"/{target.subresource}")
    query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
    headers = {key: value for key, value in request.headers.items() if key.lower() not in _NOT_FORWARDED}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as client,
            client.request(
                request.method,
                f"{scheme}://{address}{path or '/'}{query}",
                headers=headers,
                data=await request.read(),
                allow_redirects=False,
                ssl=False,
            ) as answer,
        ):
            return await _relay(request, answer)
    except (aiohttp.ClientConnectorError, TimeoutError) as error:
        raise _unavailable(f"error trying to reach service: dial tcp {address}: connect failed") from error


async def _relay(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    dropped = _NOT_FORWARDED | {"content-length"}
    headers = [(key, value) for key, value in answer.headers.items() if key.lower() not in dropped]
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    async for chunk in answer.content.iter_chunked(_CHUNK):
        await response.write(chunk)
    await response.write_eof()
    return response


def _parts(name: str) -> tuple[str, str, str]:
    """Parse `[scheme:]name[:port]` into scheme, name and port. Raises ApiError 400."""
    match name.split(":"):
        case [plain]:
            return "http", plain, ""
        case [plain, port]:
            return "http", plain, port
        case ["http" | "https" as scheme, plain, port]:
            return scheme, plain, port
    raise status.bad_request(f"invalid request {name!r}: want [scheme:]name[:port]")


def _endpoint(registry: Registry, namespace: str, name: str, port: str) -> str:
    """The address of a ready endpoint. `port` is a port or port name of the Service, or "" if it has only one."""
    ports = registry.get("services", namespace, name)["spec"].get("ports") or ()
    chosen = [p for p in ports if not port or port in (p.get("name"), str(p["port"]))]
    if not chosen or (not port and len(ports) > 1):
        raise _unavailable(f'no service port "{port}" found for service "{name}"')
    wanted = chosen[0].get("name", "")
    for found in registry.list("endpointslices.discovery.k8s.io", namespace, labels={SERVICE_NAME_LABEL: name}):
        number = next((p["port"] for p in found.get("ports") or () if p.get("name", "") == wanted), None)
        for endpoint in (found.get("endpoints") or ()) if number else ():
            if endpoint.get("conditions", {}).get("ready", True):
                return f"{endpoint['addresses'][0]}:{number}"
    raise _unavailable(f'no endpoints available for service "{name}"')


def _unavailable(message: str) -> ApiError:
    return ApiError(status.make(503, "ServiceUnavailable", message, {}))
