"""Requests of a test to the API server."""

from dataclasses import dataclass
from typing import Any

import pytest

from agent_operator.api import definitions, openapi
from agent_operator.kube.resources import Kind
from agent_operator.kube.transport import APPLY, MERGE, ApiError, Transport
from tests.patience import DEADLINE
from tests.polling import wait_until

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
AGENTS = "/apis/agent-operator.dev/v1alpha1/namespaces/{}/agentdeployments"
Object = dict[str, Any]
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Service": "/api/v1/namespaces/{}/services",
    "Pod": "/api/v1/namespaces/{}/pods",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "CiliumNetworkPolicy": "/apis/cilium.io/v2/namespaces/{}/ciliumnetworkpolicies",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "ControllerRevision": "/apis/apps/v1/namespaces/{}/controllerrevisions",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    "PrometheusRule": "/apis/monitoring.coreos.com/v1/namespaces/{}/prometheusrules",
    "ServiceMonitor": "/apis/monitoring.coreos.com/v1/namespaces/{}/servicemonitors",
    "AgentDeployment": AGENTS,
    "AgentRuntimeChannel": "/apis/agent-operator.dev/v1alpha1/agentruntimechannels",
    "Event": "/apis/events.k8s.io/v1/namespaces/{}/events",
}


@dataclass
class ApiClient:
    """Requests to the API server, in one namespace. They bypass the proxy of the operators."""

    transport: Transport
    namespace: str

    def path(self, kind: str, name: str = "", namespace: str = "") -> str:
        return PATHS[kind].format(namespace or self.namespace) + (f"/{name}" if name else "")

    async def call(self, method: str, path: str, **more: Any) -> Object:
        return await self.transport.request(method, path, label=("test", ""), **more)

    async def get(self, kind: str, name: str, namespace: str = "") -> Object | None:
        try:
            return await self.call("GET", self.path(kind, name, namespace))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def list(self, kind: str, namespace: str = "") -> list[Object]:
        return (await self.call("GET", self.path(kind, namespace=namespace))).get("items") or []

    async def create(self, kind: str, obj: Object, namespace: str = "") -> Object:
        return await self.call("POST", self.path(kind, namespace=namespace), body=obj)

    async def merge(self, kind: str, name: str, patch: Object, *, sub: str = "", namespace: str = "") -> Object:
        path = self.path(kind, name, namespace) + (f"/{sub}" if sub else "")
        return await self.call(
            "PATCH", path, body=patch, content_type=MERGE, params={"fieldManager": "another-manager"}
        )

    async def delete(self, kind: str, name: str, namespace: str = "") -> None:
        try:
            await self.call("DELETE", self.path(kind, name, namespace))
        except ApiError as error:
            if error.code != 404:
                raise

    async def define(self, kind: Kind) -> None:
        """Create a CustomResourceDefinition whose schema accepts every object."""
        anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        version = {"name": kind.versions[0].rpartition("/")[2], "served": True, "storage": True, "schema": anything}
        defined = {"plural": kind.plural, "kind": kind.kind, "singular": kind.kind.lower()}
        spec = {"group": kind.group, "scope": "Namespaced", "names": defined, "versions": [version]}
        # An API server requires this annotation in groups below k8s.io.
        meta = {"name": kind.crd, "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}}
        await self.call("POST", CRDS, body={"metadata": meta, "spec": spec})

    async def undefine(self, kind: Kind) -> None:
        """Delete the CustomResourceDefinition, and with it all objects of the kind."""
        await self.call("DELETE", f"{CRDS}/{kind.crd}")

    async def apply_agent(self, name: str = "support", **spec: Any) -> Object:
        """Create or change an agent by server-side apply, as a GitOps tool does."""
        body = {
            "apiVersion": "agent-operator.dev/v1alpha1",
            "kind": "AgentDeployment",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"config": {"models": [{"name": "echo", "provider": "echo"}]}} | spec,
        }
        params = {"fieldManager": "gitops", "force": "true"}
        return await self.call(
            "PATCH", self.path("AgentDeployment", name), body=body, params=params, content_type=APPLY
        )

    async def condition(self, kind: str, name: str = "support") -> Object:
        """A condition of the current generation; empty when there is none."""
        agent = await self.get("AgentDeployment", name) or {"metadata": {}}
        for condition in agent.get("status", {}).get("conditions", ()):
            if condition["type"] == kind and condition["observedGeneration"] == agent["metadata"]["generation"]:
                return condition
        return {}

    async def wait_for_reason(self, kind: str, reason: str, name: str = "support", seconds: float = DEADLINE) -> Object:
        """Wait until a condition has this reason; return it."""

        async def current() -> Object | None:
            condition = await self.condition(kind, name)
            return condition if condition.get("reason") == reason else None

        try:
            return await wait_until(current, seconds)
        except TimeoutError:
            pytest.fail(f"no {kind}/{reason}: {(await self.get('AgentDeployment', name) or {}).get('status')}")

    async def children(self, name: str = "support", namespace: str = "") -> dict[tuple[str, str], Object]:
        """The objects with the label of the agent, by kind and name, without pods and Events."""
        found = {}
        for kind in PATHS:
            if kind in ("Namespace", "Pod", "AgentDeployment", "AgentRuntimeChannel", "Event"):
                continue
            try:
                items = await self.list(kind, namespace)
            except ApiError as error:
                if error.code != 404:
                    raise
                items = []
            for item in items:
                if (item["metadata"].get("labels") or {}).get("agent-operator.dev/agent") == name:
                    found[kind, item["metadata"]["name"]] = item
        return found


async def install_crds(api: ApiClient) -> None:
    """Apply the CustomResourceDefinitions, and wait until the API server serves them."""
    # The same objects as in crds/, whose 580 KiB of YAML take as long to read as the local cluster takes to start.
    for crd in definitions.files(openapi.schemas()).values():
        params = {"fieldManager": "test", "force": "true"}
        await api.call("PATCH", f"{CRDS}/{crd['metadata']['name']}", body=crd, content_type=APPLY, params=params)

    async def served() -> bool:
        try:
            await api.call("GET", "/apis/agent-operator.dev/v1alpha1/agentdeployments")
            await api.list("AgentRuntimeChannel")
        except ApiError:
            return False
        return True

    await wait_until(served)
