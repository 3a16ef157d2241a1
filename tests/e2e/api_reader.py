"""Reads objects from the API server as `kubectl get -o json` does, in this process.

Tests poll. Each start of kubectl takes 75 ms of CPU, which was a third of the CPU time of the whole suite. A request of
this module takes 2 ms.
"""

import json
import warnings
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from kubernetes.client import ApiClient
from kubernetes.config import new_client_from_config
from urllib3.exceptions import InsecureRequestWarning

from tests.patience import DEADLINE

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Resource:
    """A resource of the API: the path of its group and version, its plural, and its scope."""

    root: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.root}{scope}/{self.plural}" + (f"/{name}" if name else "")


@dataclass(slots=True)
class ApiReader:
    """Reads with the rights of a kubeconfig."""

    client: ApiClient
    resources: dict[str, _Resource] = field(default_factory=dict)

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object by any name of its kind that kubectl knows; None if it does not exist."""
        return self._read(self._resource(kind).path(namespace, name))

    def list(self, kinds: str, namespace: str, *, labels: str = "", fields: str = "") -> list[Object]:
        """Return all objects of some kinds, separated by commas. Without a namespace, those of all namespaces."""
        query = urlencode({"labelSelector": labels, "fieldSelector": fields})
        found = []
        for kind in kinds.split(","):
            page = self._read(f"{self._resource(kind).path(namespace)}?{query}") or {"items": []}
            # The items of a list of a built-in kind have no kind of their own.
            shared = {"apiVersion": page.get("apiVersion"), "kind": page.get("kind", "").removesuffix("List")}
            found += [shared | item for item in page["items"]]
        return found

    def _resource(self, kind: str) -> _Resource:
        # A kind can be installed, or be served by another version, at any time.
        if kind not in self.resources:
            self.resources = self._discover()
        if kind not in self.resources:
            pytest.fail(f"the server does not have a resource type {kind!r}")
        return self.resources[kind]

    def _discover(self) -> dict[str, _Resource]:
        groups = (self._read("/apis") or {"groups": []})["groups"]
        roots = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
        found: dict[str, _Resource] = {}
        for root in roots:
            for item in (self._read(root) or {"resources": []})["resources"]:
                names = (item["name"], item.get("singularName"), item["kind"].lower(), *item.get("shortNames", ()))
                for name in names if "/" not in item["name"] else ():
                    found.setdefault(name, _Resource(root, item["name"], item["namespaced"]))
        return found

    def _read(self, path: str) -> Object | None:
        headers = {"Accept": "application/json"}
        request = self.client.param_serialize("GET", path, header_params=headers, auth_settings=["BearerToken"])
        with warnings.catch_warnings():
            # A kubeconfig may turn off the verification of the certificate.
            warnings.simplefilter("ignore", InsecureRequestWarning)
            response = self.client.call_api(*request, _request_timeout=DEADLINE)
        if response.status == HTTPStatus.NOT_FOUND:
            return None
        if response.status != HTTPStatus.OK:
            pytest.fail(f"GET {path}: {response.status} {response.read()!r}")
        found: Object = json.loads(response.read())
        return found


@cache
def reader(kubeconfig: Path) -> ApiReader:
    """Return the reader of a kubeconfig. It keeps its connections."""
    return ApiReader(new_client_from_config(str(kubeconfig)))
