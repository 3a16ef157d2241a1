"""Which agents claim the same host and path of an Ingress class, or the same host name of a Gateway."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from agent_operator.api import constants
from agent_operator.kube import shapes
from agent_operator.kube.objects import Key

# Of more agents with one route, the next resync reports the conflict.
_MOST_SHARING = 8


class Route(NamedTuple):
    """A host and a path, of an Ingress class or of a Gateway."""

    via: str
    host: str
    path: str

    def __str__(self) -> str:
        """Return the text for messages, such as `agents.example.com/support`."""
        return f"{self.host}{self.path}"


def routes(spec: Mapping[str, Any], namespace: str) -> Iterator[tuple[str, Route]]:
    """Yield field and route of each host and path in the spec of an agent, which may be of any shape.

    Args:
        spec: the spec.
        namespace: namespace of the AgentDeployment.
    """
    ingress = shapes.mapping(spec.get("ingress"))
    via = f"ingress {_class_name(ingress)}"
    path = shapes.text(ingress.get("path")) or "/"
    if host := shapes.text(ingress.get("host")):
        yield "spec.ingress.host", Route(via, host, path)
    for index, entry in enumerate(shapes.mappings(ingress.get("hosts"))):
        field = f"spec.ingress.hosts[{index}]"
        own = [shapes.text(it.get("path")) or "/" for it in shapes.mappings(entry.get("paths"))]
        for found in own or [path]:
            yield field, Route(via, shapes.text(entry.get("host")), found)
    gateway = shapes.mapping(spec.get("gateway"))
    hostnames = gateway.get("hostnames")
    own_namespace = shapes.text(shapes.mapping(spec.get("namespace")).get("name")) or namespace
    for parent in shapes.mappings(gateway.get("parentRefs")):
        via = f"gateway {parent.get('namespace') or own_namespace}/{parent.get('name')}/{parent.get('sectionName')}"
        for index, host in enumerate(hostnames if isinstance(hostnames, list) else ()):
            yield f"spec.gateway.hostnames[{index}]", Route(via, shapes.text(host), "")


def _class_name(ingress: Mapping[str, Any]) -> str:
    """Return the class by which a controller finds the Ingress; empty for the default of the cluster."""
    annotation = shapes.mapping(ingress.get("annotations")).get(constants.ANNOTATION_INGRESS_CLASS)
    names = (shapes.text(name) for name in (ingress.get("className"), annotation) if name is not None)
    return next(names, constants.DEFAULT_INGRESS_CLASS)


class RouteIndex:
    """The routes of all agents."""

    def __init__(self) -> None:
        self._by_agent: dict[Key, tuple[Route, ...]] = {}
        self._by_route: dict[Route, set[Key]] = {}

    def record(self, key: Key, spec: Any) -> None:
        """Record the spec of an agent, in place of its former one."""
        self.forget(key)
        found = shapes.mapping(spec)
        if "ingress" in found or "gateway" in found:
            self._by_agent[key] = tuple(dict.fromkeys(route for _, route in routes(found, key.namespace)))
            for route in self._by_agent[key]:
                self._by_route.setdefault(route, set()).add(key)

    def forget(self, key: Key) -> None:
        """Remove an agent."""
        for route in self._by_agent.pop(key, ()):
            self._by_route[route].discard(key)
            if not self._by_route[route]:
                del self._by_route[route]

    def shared(self, key: Key) -> dict[Route, Key]:
        """Return the routes that another agent has, too, with the first of the others."""
        others = {route: self._by_route[route] - {key} for route in self._by_agent.get(key, ())}
        return {route: min(keys) for route, keys in others.items() if keys}

    def sharing(self, key: Key) -> frozenset[Key]:
        """Return the agents that share a route with this one, at most a few."""
        found: set[Key] = set()
        for route in self._by_agent.get(key, ()):
            if len(self._by_route[route]) <= _MOST_SHARING:
                found |= self._by_route[route]
        return frozenset(found - {key})
