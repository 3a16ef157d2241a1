"""A Deployment of a client, and the write path of a server with the field functions."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from kubeschema import decode, schema
from kubeschema.kinds import defaults
from kubeschema.schema import Schema
from localkube.apiserver.fields import managed
from localkube.apiserver.fields.apply import apply

Object = dict[str, Any]
DEPLOYMENT = ("apps", "v1", "Deployment")


@dataclass
class Kind:
    """A built-in kind, and writes of its objects like in a server."""

    gvk: tuple[str, str, str]

    @property
    def schema(self) -> Schema:
        found = schema.builtin(*self.gvk)
        assert found is not None
        return found

    @property
    def api_version(self) -> str:
        return "/".join(part for part in self.gvk[:2] if part)

    def complete(self, obj: Object) -> Object:
        return defaults.default(self.gvk, decode.decode(self.schema, obj, self.gvk).obj)

    def apply(self, live: Object | None, obj: Object, manager: str, now: str = "1", **more: Any) -> Object:
        more = {"ignored": managed.ignored_fields(True, ""), "default": self.complete, **more}
        return apply(self.schema, live, obj, manager=manager, api_version=self.api_version, now=now, **more)

    def update(self, live: Object | None, obj: Object, manager: str, now: str = "1", **more: Any) -> Object:
        more = {"ignored": managed.ignored_fields(True, ""), **more}
        new = self.complete(obj)
        return managed.on_update(self.schema, live, new, manager=manager, api_version=self.api_version, now=now, **more)


def owned(obj: Object, manager: str) -> Object | None:
    """The fields that a manager owns."""
    entries = obj["metadata"].get("managedFields", ())
    return next((entry["fieldsV1"] for entry in entries if entry["manager"] == manager), None)


@pytest.fixture
def deployments() -> Kind:
    return Kind(DEPLOYMENT)


@pytest.fixture
def config_maps() -> Kind:
    return Kind(("", "v1", "ConfigMap"))


@pytest.fixture
def deployment() -> Object:
    """The Deployment of the recording."""
    container = {
        "name": "c",
        "image": "img:1",
        "ports": [{"name": "http", "containerPort": 8000}],
        "env": [{"name": "A", "value": "1"}],
        "resources": {
            "requests": {"cpu": "500m", "memory": "1Gi"},
            "limits": {"cpu": "2000m", "memory": "2048Mi"},
        },
    }
    labels = {"app": "ssa"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "ssa"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


@pytest.fixture
def changed(deployment: Object) -> Callable[..., Object]:
    """Copy the Deployment with other fields in its spec or container; None removes a field."""

    def change(spec: Object | None = None, container: Object | None = None) -> Object:
        out = copy.deepcopy(deployment)
        _set(out["spec"], spec or {})
        _set(out["spec"]["template"]["spec"]["containers"][0], container or {})
        return out

    return change


def _set(target: Object, values: Object) -> None:
    for key, value in values.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = value


@pytest.fixture
def owner() -> Callable[[Object, str], Object | None]:
    return owned


@pytest.fixture
def complete() -> Callable[[tuple[str, str, str], Object], Object]:
    """Decode and default an object, with the name x in the namespace n, as a server does before validation."""

    def run(gvk: tuple[str, str, str], obj: Object) -> Object:
        given = {"metadata": {"name": "x", "namespace": "n"}, **copy.deepcopy(obj)}
        return Kind(gvk).complete(given)

    return run
