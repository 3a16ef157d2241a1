"""Health endpoints, for people and for the probes of the kubelet.

The errors of components contain addresses and names of variables. So the HTTP port shows them only to callers with an
API key or a token, and the metrics port to every client that can connect.
"""

from aiohttp import web

from agent_runtime.agent.budget import Budget
from agent_runtime.errors import Problem
from agent_runtime.health import Health, Status
from agent_runtime.http.app_keys import BUDGET, GATE, HEALTH
from agent_runtime.http.routes.body import json_response


async def health(request: web.Request) -> web.Response:
    """GET /health: the status of every component; 503 if the default model is unhealthy."""
    return await _report(request.app[HEALTH], errors=await _is_caller(request))


async def ready(request: web.Request) -> web.Response:
    """GET /health/ready: 503 and the reasons while the pod must not receive requests."""
    return _readiness(request.app[HEALTH], errors=await _is_caller(request))


async def live(_: web.Request) -> web.Response:
    """GET /health/live: 200 as long as the event loop runs. Depends on no backend."""
    return json_response({"status": "alive"})


def add_detailed(app: web.Application, main: web.Application) -> None:
    """Add /health and /health/ready with the errors of the components of another application.

    /health has the budgets, too. The operator reads them.
    """

    async def detailed_health(_: web.Request) -> web.Response:
        return await _report(main[HEALTH], errors=True, budget=main.get(BUDGET))

    async def detailed_ready(_: web.Request) -> web.Response:
        return _readiness(main[HEALTH], errors=True)

    app.router.add_get("/health", detailed_health)
    app.router.add_get("/health/ready", detailed_ready)


async def _is_caller(request: web.Request) -> bool:
    try:
        return bool(await request.app[GATE].callers.name(request.headers.get("Authorization", "")))
    except Problem:
        return False


async def _report(health: Health, *, errors: bool, budget: Budget | None = None) -> web.Response:
    report = await health.report(errors=errors)
    if budget is not None:
        report["budgets"] = [allowance.as_json() for allowance in budget.allowances]
    return json_response(report, 503 if report["status"] == Status.UNHEALTHY else 200)


def _readiness(health: Health, *, errors: bool) -> web.Response:
    if reasons := health.not_ready_reasons(errors=errors):
        return json_response({"status": "not_ready", "reasons": reasons}, 503)
    return json_response({"status": "ready"})


ROUTES = (web.get("/health", health), web.get("/health/ready", ready), web.get("/health/live", live))
