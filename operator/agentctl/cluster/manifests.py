"""The objects of a namespace that can belong to an agent, read through kubectl. Secrets are never read."""

from collections.abc import Iterable, Sequence
from typing import Any

from agentctl.cluster.kubectl import Kubectl
from agentctl.errors import CommandError
from agentctl.objects import Object
from agentctl.offline.documents import Document

_KINDS = (
    "services",
    "serviceaccounts",
    "ingresses.networking.k8s.io",
    "networkpolicies.networking.k8s.io",
    "horizontalpodautoscalers.autoscaling",
    "poddisruptionbudgets.policy",
    "rolebindings.rbac.authorization.k8s.io",
)
# Kinds that not every cluster has.
_OPTIONAL = (
    "servicemonitors.monitoring.coreos.com",
    "podmonitors.monitoring.coreos.com",
    "externalsecrets.external-secrets.io",
    "secretstores.external-secrets.io",
    "httproutes.gateway.networking.k8s.io",
    "scaledobjects.keda.sh",
)


def read(kubectl: Kubectl, names: Sequence[str]) -> tuple[str, list[Document], list[str]]:
    """Return the namespace, its objects, and notes on kinds that could not be read.

    Raises:
        CommandError: the Deployments cannot be read.
    """
    deployments = kubectl.get("deployments.apps")
    if not deployments:
        where = f" in namespace {kubectl.namespace}" if kubectl.namespace else ""
        raise CommandError(f"no Deployments found{where}: choose another namespace with -n")
    chosen = [item for item in deployments if not names or item["metadata"]["name"] in names]
    objects, notes = list(deployments), list[str]()
    for kind in (*_KINDS, *_OPTIONAL):
        found, note = _get(kubectl, kind)
        objects += found
        notes += note
    # Only the ConfigMaps that the pods use: a namespace may contain many more.
    used = sorted({name for item in chosen for name in _config_maps(item["spec"]["template"])})
    if used:
        objects += kubectl.get("configmaps", *used) if len(used) > 1 else kubectl.get("configmap", used[0])
    namespace = str(deployments[0]["metadata"]["namespace"])
    return namespace, [Document(f"namespace {namespace}", 1, item) for item in objects], notes


def _get(kubectl: Kubectl, kind: str) -> tuple[list[Object], list[str]]:
    try:
        return kubectl.get(kind), []
    except CommandError as error:
        missing = "the server doesn't have a resource type" in str(error)
        return [], [] if missing else [f"{kind}: not read: {error}"]


def _config_maps(value: Any) -> Iterable[str]:
    """Yield the names of the ConfigMaps of a pod template."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("configMap", "configMapRef", "configMapKeyRef") and isinstance(item, dict) and item.get("name"):
                yield item["name"]
            yield from _config_maps(item)
    elif isinstance(value, list):
        for item in value:
            yield from _config_maps(item)
