"""Finds the HorizontalPodAutoscalers of others that target the Deployments of agents.

The operator watches only its own. It lists those of a namespace when another writer has scaled a Deployment there.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent_operator.inputs.agent_inputs import OtherAutoscaler
from agent_operator.kube.client import Cluster
from agent_operator.kube.resources import BY_NAME
from agent_operator.kube.shapes import mapping, number, text

_KIND = BY_NAME["HorizontalPodAutoscaler"]
# Bounds on what the tenants of a namespace can make the operator read and keep.
_MAX_LISTED = 1_000
_MAX_NAMESPACES = 64


@dataclass(frozen=True, slots=True)
class _Scaler:
    name: str
    target: str
    min_replicas: int
    owner: str


class Autoscalers:
    """Reads the autoscalers of a namespace, and caches them for `lifetime` seconds."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float], lifetime: float) -> None:
        self._cluster = cluster
        self._clock = clock
        self._lifetime = lifetime
        self._cached: OrderedDict[str, tuple[float, tuple[_Scaler, ...]]] = OrderedDict()

    async def find(self, namespace: str, deployment: str, agent_uid: str) -> OtherAutoscaler | None:
        """Return an autoscaler that targets a Deployment and does not belong to its agent; None if there is none.

        Raises:
            ApiError: the autoscalers cannot be read.
        """
        read_at, scalers = self._cached.get(namespace, (0.0, ()))
        found = _targeting(scalers, deployment, agent_uid)
        # Only a match is cached. A new autoscaler must be found before the operator undoes what it wrote.
        if found is None or self._clock() - read_at >= self._lifetime:
            scalers = await self._list(namespace)
            self._cached[namespace] = self._clock(), scalers
            self._cached.move_to_end(namespace)
            if len(self._cached) > _MAX_NAMESPACES:
                self._cached.popitem(last=False)
            found = _targeting(scalers, deployment, agent_uid)
        return found

    async def _list(self, namespace: str) -> tuple[_Scaler, ...]:
        found: list[_Scaler] = []
        read = 0
        async for items, _ in self._cluster.list_pages(_KIND.path(_KIND.versions[0], namespace), _KIND.kind, ""):
            found += [scaler for scaler in map(_scaler, items) if scaler.target]
            read += len(items)
            if read >= _MAX_LISTED:
                break
        return tuple(sorted(found, key=lambda scaler: scaler.name))


def _targeting(scalers: Iterable[_Scaler], deployment: str, agent_uid: str) -> OtherAutoscaler | None:
    others = (it for it in scalers if it.target == deployment and it.owner != agent_uid)
    return next((OtherAutoscaler(it.name, it.min_replicas) for it in others), None)


def _scaler(obj: Mapping[str, Any]) -> _Scaler:
    """Return what is needed of an autoscaler. The target is empty unless it is a Deployment."""
    meta, spec = mapping(obj.get("metadata")), mapping(obj.get("spec"))
    target = mapping(spec.get("scaleTargetRef"))
    is_deployment = target.get("kind") == "Deployment" and text(target.get("apiVersion")).startswith("apps/")
    owners = meta.get("ownerReferences")
    controllers = [mapping(it) for it in owners if mapping(it).get("controller")] if isinstance(owners, list) else []
    return _Scaler(
        name=text(meta.get("name")),
        target=text(target.get("name")) if is_deployment else "",
        min_replicas=number(spec.get("minReplicas", 1)),
        owner=text(controllers[0].get("uid")) if controllers else "",
    )
