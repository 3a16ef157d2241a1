"""status, scale, eviction, log, finalize; and the reviews that clients ask of themselves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

from localkube.apiserver import scale, status
from localkube.apiserver.fields import merge
from localkube.apiserver.http import auth, bodies, encode, eviction, params, patching, portforward, proxy
from localkube.apiserver.http.negotiate import representation
from localkube.apiserver.http.route import Target
from localkube.apiserver.options import Outcome
from localkube.apiserver.status import Object

if TYPE_CHECKING:
    from localkube.apiserver.http.server import ApiServer

_REVIEWS = {
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": "SelfSubjectAccessReview",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews": "SelfSubjectRulesReview",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews": "SelfSubjectReview",
}
_ABSENT = frozenset(("attach", "binding", "ephemeralcontainers", "exec", "portforward", "resize", "token"))


async def review(request: web.BaseRequest) -> web.Response | None:
    """Answer a review; None when the path is none."""
    kind = _REVIEWS.get(request.path)
    if kind is None:
        return None
    if request.method != "POST":
        raise status.method_not_allowed()
    given = (await bodies.read(request, kind)).value
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    answers: dict[str, Object] = {
        "SelfSubjectAccessReview": {"allowed": True},
        "SelfSubjectRulesReview": {
            "resourceRules": [everything],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": False,
        },
        "SelfSubjectReview": {
            "userInfo": {"username": auth.ADMIN, "groups": ["system:masters", "system:authenticated"]}
        },
    }
    group = request.path.split("/")[2]
    found = given if isinstance(given, dict) else {}
    body = {**found, "kind": kind, "apiVersion": f"{group}/v1", "status": answers[kind]}
    return encode.answer({"metadata": {}, **body}, code=201)


async def handle(server: ApiServer, request: web.BaseRequest, target: Target) -> web.StreamResponse:
    """A request to a subresource; ApiError 404 for one that the resource does not have."""
    resource, name = target.resource, target.subresource
    if name == "status" and resource.status:
        return await server.dispatch(request, target)
    if name == "scale" and resource.scale is not None:
        return await _scale(server, request, target)
    if resource.key in ("pods", "services") and name == "proxy":
        return await proxy.forward(server.registry, request, target)
    if resource.key == "namespaces" and name == "finalize" and request.method == "PUT":
        return await server.dispatch(request, Target(resource, target.version, "", target.name))
    return await _of_pod(server, request, target)


async def _of_pod(server: ApiServer, request: web.BaseRequest, target: Target) -> web.StreamResponse:
    """A request to what only pods have; ApiError 404, 501."""
    resource, name = target.resource, target.subresource
    asked = (name, request.method) if resource.key == "pods" else ("", "")
    if asked == ("eviction", "POST"):
        return await eviction.evict(server.registry, request, target)
    if asked == ("log", "GET"):
        return await _log(server, request, target)
    if asked[0] == "portforward" and server.port_of is not None:
        return await portforward.forward(server.registry, request, target, server.port_of)
    if name in _ABSENT:
        raise status.not_implemented(f"{resource.plural}/{name}")
    raise status.no_resource()


async def _scale(server: ApiServer, request: web.BaseRequest, target: Target) -> web.Response:
    registry, resource = server.registry, target.resource
    live = registry.writer.live(resource, target.namespace, target.name)
    if request.method == "GET":
        shown = representation(request.headers.get("Accept", ""))
        return encode.answer(scale.scale_of(resource, live.object), media=shown.media)
    change = await _scale_change(server, request, target)
    options = params.write_options(
        request.query, request.headers.get("User-Agent", ""), "UpdateOptions", target.version, "scale"
    )
    outcome: Outcome = registry.writer.rescale(
        resource, target.namespace, target.name, change(scale.bare_scale(resource, live.object)), options
    )
    return encode.answer(scale.scale_of(resource, outcome.object))


async def _scale_change(server: ApiServer, request: web.BaseRequest, target: Target) -> Any:
    if request.method == "PUT":
        body = await bodies.read(request, "Scale")
        if not isinstance(body.value, dict):
            raise status.bad_request("the body must be a Scale")
        return lambda _: body.value
    media = bodies.media_type(request)
    if request.method != "PATCH":
        raise status.method_not_allowed()
    patch = bodies.parse(await request.read(), "Scale", yaml=media == patching.APPLY).value
    if media == patching.JSON:
        registry, resource = server.registry, target.resource
        return patching.change(media, patch, registry.strategy(resource, target.version))
    if media in (patching.MERGE, patching.STRATEGIC, patching.APPLY) and isinstance(patch, dict):
        return lambda current: merge.merge_patch(current, patch)
    raise status.unsupported_patch()


async def _log(server: ApiServer, request: web.BaseRequest, target: Target) -> web.StreamResponse:
    pod = server.registry.writer.live(target.resource, target.namespace, target.name).object
    if server.logs is None:
        raise status.not_implemented("pod logs without a node")
    query = request.query
    container = _container(pod, query.get("container", ""))
    since = query.get("sinceSeconds")
    tail = query.get("tailLines")
    chunks = await server.logs.logs(
        pod,
        container,
        previous=params.flag(query, "previous"),
        follow=params.flag(query, "follow"),
        tail=int(tail) if tail and tail.isdigit() else None,
        since=time.time() - float(since) if since and since.isdigit() else None,
        timestamps=params.flag(query, "timestamps"),
    )
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    async for chunk in chunks:
        await response.write(chunk)
    await response.write_eof()
    return response


def _container(pod: Object, asked: str) -> str:
    spec = pod["spec"]
    names = [c["name"] for k in ("containers", "initContainers") for c in spec.get(k) or ()]
    if asked and asked not in names:
        raise status.bad_request(f"container {asked} is not valid for pod {pod['metadata']['name']}")
    if asked or len(spec["containers"]) == 1:
        return asked or str(names[0])
    listed = " ".join(names)
    raise status.bad_request(
        f"a container name must be specified for pod {pod['metadata']['name']}, choose one of: [{listed}]"
    )
