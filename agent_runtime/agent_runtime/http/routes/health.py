"""Health endpoints, for people and for the probes of the kubelet."""

from aiohttp import web

from agent_runtime.health import Status
from agent_runtime.http.app_keys import HEALTH
from agent_runtime.http.routes.body import json_response


async def health(request: web.Request) -> web.Response:
    """GET /health: the status of every component; 503 if the default model is unhealthy."""
    report = await request.app[HEALTH].report()
    return json_response(report, 503 if report["status"] == Status.UNHEALTHY else 200)


async def ready(request: web.Request) -> web.Response:
    """GET /health/ready: 503 and the reasons while the pod must not receive requests."""
    if reasons := request.app[HEALTH].not_ready_reasons():
        return json_response({"status": "not_ready", "reasons": reasons}, 503)
    return json_response({"status": "ready"})


async def live(_: web.Request) -> web.Response:
    """GET /health/live: 200 as long as the event loop runs. Depends on no backend."""
    return json_response({"status": "alive"})


ROUTES = (web.get("/health", health), web.get("/health/ready", ready), web.get("/health/live", live))
