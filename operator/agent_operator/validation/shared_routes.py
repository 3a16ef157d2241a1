"""Warnings about hosts and paths that several agents have."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.kube.objects import Key
from agent_operator.kube.routes import Route, routes

_MOST = 8


def warnings(key: Key, spec: Mapping[str, Any], shared: Mapping[Route, Key]) -> Iterator[Problem]:
    """Yield a warning for each field with a route that another agent has, too; at most a few.

    Args:
        key: the agent.
        spec: its spec.
        shared: the routes that others have, with one of the others.
    """
    fields = {field: route for field, route in routes(spec, key.namespace) if route in shared} if shared else {}
    for field, route in list(fields.items())[:_MOST]:
        other = shared[route]
        # The names in other namespaces may be confidential.
        who = f"the agent {other.name}" if other.namespace == key.namespace else "an agent in another namespace"
        message = f"{who} has {route}, too, so requests may reach either agent: choose another host or path"
        yield Problem(SpecReason.ROUTE_SHARED, field, message)
