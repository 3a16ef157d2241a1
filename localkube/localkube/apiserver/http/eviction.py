"""`pods/x/eviction`: deletes a pod if its PodDisruptionBudget allows it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from localkube import clock
from localkube.apiserver.http import bodies, encode, params, write
from localkube.apiserver.options import DeleteOptions
from localkube.meta import status
from localkube.meta.objects import find_condition, is_deleting, with_condition
from localkube.meta.pods import is_ready
from localkube.meta.selectors import LabelSelector
from localkube.meta.status import Object

if TYPE_CHECKING:
    from localkube.apiserver.http.route import Target
    from localkube.apiserver.registry import Registry

_BUDGETS = "poddisruptionbudgets.policy"
_MANAGER = "kube-apiserver"
_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_RETRY_SECONDS = 10


async def evict(registry: Registry, request: web.BaseRequest, target: Target) -> web.Response:
    """Evict a pod.

    Raises:
        ApiError: 400, 404; 429 if the pod's budget allows no disruption, 500 if several budgets match the pod.
    """
    body = (await bodies.read(request, "Eviction")).value
    eviction: Object = body if isinstance(body, dict) else {}
    if eviction.get("kind", "Eviction") != "Eviction":
        version, kind = eviction.get("apiVersion", ""), eviction["kind"]
        raise status.bad_request(f'no kind "{kind}" is registered for version "{version}" as an Eviction')
    name = (eviction.get("metadata") or {}).get("name") or target.name
    if name != target.name:
        raise status.bad_request("name in URL does not match name in Eviction object")
    found = write.delete_options(request.query, eviction.get("deleteOptions"))
    found = replace(found, dry_run=found.dry_run or params.dry_run(request.query, "CreateOptions"))
    pod = registry.writer.live(target.resource, target.namespace, target.name).object
    if not _is_unprotected(pod):
        _check_budget(registry, pod, dry_run=found.dry_run)
    if not found.dry_run:
        _set_disruption_target(registry, pod)
    record = registry.writer.live(target.resource, target.namespace, target.name)
    registry.remove(target.resource, record, DeleteOptions(found.uid, grace=found.grace, dry_run=found.dry_run))
    return encode.answer(status.success(code=201), code=201)


def _is_unprotected(pod: Object) -> bool:
    """Whether budgets do not apply: the pod is pending, finished or being deleted."""
    return is_deleting(pod) or pod.get("status", {}).get("phase") in ("Pending", "Succeeded", "Failed")


def _check_budget(registry: Registry, pod: Object, *, dry_run: bool) -> None:
    """Check the pod's budget and record the disruption. Raises ApiError 429."""
    budgets = [b for b in registry.list(_BUDGETS, pod["metadata"]["namespace"]) if _covers(b, pod)]
    if len(budgets) > 1:
        why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise status.ApiError(status.make(500, "", why))
    for budget in budgets:
        shown = budget.get("status") or {}
        if _may_evict_unready(budget["spec"], shown, pod):
            return
        name = budget["metadata"]["name"]
        if shown.get("observedGeneration", 0) < budget["metadata"].get("generation", 1):
            raise _refusal(f"The disruption budget {name} is still being processed by the server.", _RETRY_SECONDS)
        allowed = shown.get("disruptionsAllowed", 0)
        if not allowed:
            raise _refusal(_exhausted(name, shown))
        if not dry_run:
            _record_disruption(registry, budget, pod, allowed - 1)


def _exhausted(name: str, shown: Object) -> str:
    """The message for a budget that allows no disruption."""
    condition = find_condition(shown.get("conditions"), "DisruptionAllowed") or {}
    if condition.get("reason") == "SyncFailed":
        why = f"because it failed sync: {condition.get('message', '')}"
        return f"The disruption budget {name} does not allow evicting pods currently {why}"
    needs, has = shown.get("desiredHealthy", 0), shown.get("currentHealthy", 0)
    if has <= needs:
        return f"The disruption budget {name} needs {needs} healthy pods and has {has} currently"
    return f"The disruption budget {name} does not allow evicting pods currently"


def _covers(budget: Object, pod: Object) -> bool:
    selector = (budget.get("spec") or {}).get("selector")
    return selector is not None and LabelSelector.of(selector).matches(pod)


def _may_evict_unready(spec: Object, shown: Object, pod: Object) -> bool:
    """Whether an unready pod may be evicted: with AlwaysAllow, or if enough other pods are healthy."""
    if is_ready(pod):
        return False
    if spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    desired = shown.get("desiredHealthy", 0)
    return bool(desired > 0 and shown.get("currentHealthy", 0) >= desired)


def _refusal(why: str, retry: int = 0) -> status.ApiError:
    details: dict[str, Any] = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry:
        details["retryAfterSeconds"] = retry
    return status.ApiError(status.make(429, "TooManyRequests", _REFUSED, details))


def _record_disruption(registry: Registry, budget: Object, pod: Object, left: int) -> None:
    now = clock.timestamp(clock.now())
    shown = {**budget["status"], "disruptionsAllowed": left}
    if not left:
        condition = {
            "type": "DisruptionAllowed",
            "status": "False",
            "observedGeneration": budget["metadata"].get("generation", 1),
            "reason": "InsufficientPods",
            "message": "",
            "lastTransitionTime": now,
        }
        shown["conditions"] = with_condition(shown.get("conditions"), condition)
    shown["disruptedPods"] = {**(shown.get("disruptedPods") or {}), pod["metadata"]["name"]: now}
    changed = {**budget, "status": shown}
    registry.update(_BUDGETS, budget["metadata"]["namespace"], changed, manager=_MANAGER, subresource="status")


def _set_disruption_target(registry: Registry, pod: Object) -> None:
    """Set the condition DisruptionTarget of the pod."""
    new = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastTransitionTime": clock.timestamp(clock.now()),
    }
    shown = pod.get("status") or {}
    changed = {**pod, "status": {**shown, "conditions": with_condition(shown.get("conditions"), new)}}
    registry.update("pods", pod["metadata"]["namespace"], changed, manager=_MANAGER, subresource="status")
