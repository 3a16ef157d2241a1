"""The subresources status, scale, eviction, exec, log, portforward, proxy and finalize; self subject reviews."""

import time
from typing import Any

from aiohttp import web

from localkube.apiserver import scale
from localkube.apiserver.execution import Executor
from localkube.apiserver.fields import merge
from localkube.apiserver.http import auth, bodies, encode, eviction, execute, params, patching, port_forward, proxy
from localkube.apiserver.http.negotiate import representation
from localkube.apiserver.http.route import Target
from localkube.apiserver.logs import LogSource, PodLogOptions
from localkube.apiserver.options import Outcome
from localkube.apiserver.registry import Registry
from localkube.meta import status
from localkube.meta.status import Object

_REVIEWS = {
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": "SelfSubjectAccessReview",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews": "SelfSubjectRulesReview",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews": "SelfSubjectReview",
}
_ABSENT = frozenset(("attach", "binding", "ephemeralcontainers", "exec", "proxy", "resize", "token"))


async def review(request: web.BaseRequest) -> web.Response | None:
    """Answer a self subject review; None for other paths."""
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


def as_object(target: Target, method: str) -> Target | None:
    """The target of a request that reads or writes the object itself; None for other subresources."""
    resource, name = target.resource, target.subresource
    if not name or (name == "status" and resource.status):
        return target
    if resource.key == "namespaces" and name == "finalize" and method == "PUT":
        return Target(resource, target.version, "", target.name)
    return None


async def handle(
    registry: Registry,
    logs: LogSource | None,
    executor: Executor | None,
    request: web.BaseRequest,
    target: Target,
) -> web.StreamResponse:
    """Answer a request to a subresource. Raises ApiError 404 if the resource does not have it, or 501."""
    resource, name = target.resource, target.subresource
    if name == "scale" and resource.scale is not None:
        return await _scale(registry, request, target)
    if resource.key == "services" and name == "proxy":
        return await proxy.forward(registry, request, target)
    on_pod = (name, request.method) if resource.key == "pods" else ("", "")
    if on_pod == ("eviction", "POST"):
        return await eviction.evict(registry, request, target)
    if on_pod == ("portforward", "GET"):
        return await port_forward.forward(registry, request, target)
    if on_pod == ("log", "GET"):
        return await _log(registry, logs, request, target)
    if on_pod == ("exec", "GET") and executor is not None:
        pod = registry.writer.live(target.resource, target.namespace, target.name).object
        return await execute.execute(executor, request, pod, _container(pod, request.query.get("container", "")))
    if name in _ABSENT:
        raise status.not_implemented(f"{resource.plural}/{name}")
    raise status.no_resource()


async def _scale(registry: Registry, request: web.BaseRequest, target: Target) -> web.Response:
    resource = target.resource
    live = registry.writer.live(resource, target.namespace, target.name)
    if request.method == "GET":
        representation(request.headers.get("Accept", ""))  # ApiError 406
        return encode.answer(scale.scale_of(resource, live.object))
    change = await _scale_change(registry, request, target)
    options = params.write_options(
        request.query, request.headers.get("User-Agent", ""), "UpdateOptions", target.version, "scale"
    )
    outcome: Outcome = registry.writer.rescale(
        resource, target.namespace, target.name, change(scale.bare_scale(resource, live.object)), options
    )
    return encode.answer(scale.scale_of(resource, outcome.object))


async def _scale_change(registry: Registry, request: web.BaseRequest, target: Target) -> Any:
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
        return patching.change(media, patch, registry.strategy(target.resource, target.version))
    if media in (patching.MERGE, patching.STRATEGIC, patching.APPLY) and isinstance(patch, dict):
        return lambda current: merge.merge_patch(current, patch)
    raise status.unsupported_patch()


async def _log(
    registry: Registry, logs: LogSource | None, request: web.BaseRequest, target: Target
) -> web.StreamResponse:
    pod = registry.writer.live(target.resource, target.namespace, target.name).object
    if logs is None:
        raise status.not_implemented("pod logs without a node")
    query = request.query
    since = query.get("sinceSeconds")
    tail = query.get("tailLines")
    options = PodLogOptions(
        container=_container(pod, query.get("container", "")),
        previous=params.flag(query, "previous"),
        follow=params.flag(query, "follow"),
        tail=int(tail) if tail and tail.isdigit() else None,
        since=time.time() - float(since) if since and since.isdigit() else None,
        timestamps=params.flag(query, "timestamps"),
    )
    chunks = await logs.logs(pod, options)
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    async for chunk in chunks:
        await response.write(chunk)
    await response.write_eof()
    return response


def _container(pod: Object, requested: str) -> str:
    spec = pod["spec"]
    names = [c["name"] for k in ("containers", "initContainers") for c in spec.get(k) or ()]
    if requested and requested not in names:
        raise status.bad_request(f"container {requested} is not valid for pod {pod['metadata']['name']}")
    if requested or len(spec["containers"]) == 1:
        return requested or str(names[0])
    listed = " ".join(names)
    raise status.bad_request(
        f"a container name must be specified for pod {pod['metadata']['name']}, choose one of: [{listed}]"
    )
