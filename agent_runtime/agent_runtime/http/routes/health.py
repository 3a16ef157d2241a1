"""What Kubernetes asks."""

from aiohttp import web

from agent_runtime.health import Status
from agent_runtime.http.keys import HEALTH
from agent_runtime.http.routes.body import answer


async def health(request: web.Request) -> web.Response:
    """GET /health: every component; 503 when the agent cannot answer."""
    report = await request.app[HEALTH].report()
    return answer(report, 503 if report["status"] == Status.UNHEALTHY else 200)


async def ready(request: web.Request) -> web.Response:
    """GET /health/ready: 503 and the reasons while requests should go elsewhere."""
    reasons = request.app[HEALTH].why_not_ready()
    return answer({"status": "not_ready", "reasons": reasons}, 503) if reasons else answer({"status": "ready"})


async def live(_: web.Request) -> web.Response:
    """GET /health/live: the event loop turns; depends on nothing else."""
    return answer({"status": "alive"})


ROUTES = (web.get("/health", health), web.get("/health/ready", ready), web.get("/health/live", live))
