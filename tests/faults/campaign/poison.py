"""Objects that a tenant may create by mistake or to harm, by case. The API server may reject some of them. Pure."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Object = dict[str, Any]
_LABELS = {"agent-operator.dev/agent": "x"}
_AGENTS = "/apis/agent-operator.dev/v1alpha1/namespaces/{}/agentdeployments"
_CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"
_PODS = "/api/v1/namespaces/{}/pods"
_SERVICES = "/api/v1/namespaces/{}/services"
_DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"


class Post(NamedTuple):
    """A request that creates an object: the path of the collection with `{}` for the namespace, the name, the body."""

    path: str
    name: str
    body: str


def _agent(name: str = "poison", **spec: Any) -> Post:
    small = {"replicas": 1, "config": {"models": [{"name": "echo", "provider": "echo"}]}}
    meta = {"name": name}
    body = {"apiVersion": "agent-operator.dev/v1alpha1", "kind": "AgentDeployment", "metadata": meta}
    return Post(_AGENTS, name, json.dumps(body | {"spec": small | spec}))


def _template(value: Any) -> list[Post]:
    return [_agent(podTemplate=value)]


def _labelled(path: str, kind: str, api: str = "v1", **body: Any) -> Post:
    meta = {"name": "poison", "labels": _LABELS} | body.pop("metadata", {})
    return Post(path, meta["name"], json.dumps({"apiVersion": api, "kind": kind, "metadata": meta} | body))


def _nested(levels: int, key: str) -> str:
    return f'{{"{key}":' * levels + "{}" + "}" * levels


def _deep(post: Post, levels: int, key: str = "a") -> Post:
    return post._replace(body=post.body.replace('"@"', _nested(levels, key)))


def _managed(levels: int) -> Post:
    entry = {"manager": "m", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z"}
    fields = entry | {"fieldsType": "FieldsV1", "fieldsV1": "@"}
    return _deep(_labelled(_CONFIG_MAPS, "ConfigMap", metadata={"managedFields": [fields]}), levels, "f:a")


_PROJECTED = [{"name": "p", "projected": {}}]
_CONTAINER = {"name": "c", "image": "x"}
_TITLES = {"text": "{% if v|title == 'x' %}{% endif %}" * 300, "variables": {"v": "a b " * 20_000}}
# The sizes are those at which one object harms, and not the largest that the API server accepts, which take long.
CASES: Mapping[str, Callable[[], list[Post]]] = {
    "agent nested 210 levels": lambda: [_deep(_agent(podTemplate={"x": "@"}), 210)],
    "agent nested 1100 levels": lambda: [_deep(_agent(podTemplate={"x": "@"}), 1100)],
    "managedFields nested 210 levels": lambda: [_managed(210)],
    "projected volume without sources": lambda: _template({"spec": {"volumes": _PROJECTED}}),
    "bare pod with our label": lambda: [
        _labelled(_PODS, "Pod", spec={"containers": [_CONTAINER], "volumes": _PROJECTED})
    ],
    "podTemplate.spec is a string": lambda: _template({"spec": "x"}),
    "containers is a number": lambda: _template({"spec": {"containers": 5}}),
    "containers is a mapping": lambda: _template({"spec": {"containers": {"name": "side"}}}),
    "volumes contain null": lambda: _template({"spec": {"volumes": [None]}}),
    "metadata with nulls": lambda: _template({"metadata": {"labels": None, "annotations": {"a": None}}}),
    "slow prompt": lambda: [_agent(systemPrompt=_TITLES)],
    "long quantity": lambda: _template(
        {"spec": {"containers": [{"name": "agent", "resources": {"limits": {"cpu": "1" * 3_000 + "x"}}}]}}
    ),
    "unknown fields": lambda: _template({f"f{number}": 1 for number in range(20_000)}),
    "large ConfigMaps with our label": lambda: [
        _labelled(_CONFIG_MAPS, "ConfigMap", metadata={"name": f"big-{number}"}, data={"k": "<" * 500_000})
        for number in range(5)
    ],
    "Service with our label": lambda: [_labelled(_SERVICES, "Service", spec={"ports": [{"port": 1}]})],
    "Deployment with our label and owner": lambda: [
        _labelled(
            _DEPLOYMENTS,
            "Deployment",
            "apps/v1",
            metadata={"labels": _LABELS | {"agent-operator.dev/owner-uid": "x"}},
            spec={
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [_CONTAINER]}},
            },
        )
    ],
    "10 agents": lambda: [_agent(f"many-{number}") for number in range(10)],
}
