"""Controllers of the objects in every namespace: the ServiceAccount `default` and the ConfigMap `kube-root-ca.crt`."""

from localkube.controllers.controller import Context, Controller
from localkube.meta.objects import Key
from localkube.meta.status import Object

ROOT_CA = "kube-root-ca.crt"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the"
    " internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes"
    " clusters."
)


def _is_active(namespace: Object) -> bool:
    return bool(namespace.get("status", {}).get("phase", "Active") == "Active")


class _PerNamespace(Controller):
    """Creates one object of a fixed name in every active namespace."""

    resource: str
    object_name: str

    def start(self) -> None:
        """Watch namespaces, and the object, because a deleted one is created again."""
        self.watch("namespaces", lambda _event, obj: self.queue.add((obj["metadata"]["name"], self.object_name)))
        self.watch(self.resource, self._on_object)

    def _on_object(self, event: str, obj: Object) -> None:
        if event == "DELETED" and obj["metadata"]["name"] == self.object_name:
            self.enqueue(event, obj)

    def reconcile(self, key: Key) -> float | None:
        """Create the object if it does not exist."""
        namespace = self.registry.find("namespaces", "", key[0])
        if namespace is not None and _is_active(namespace) and self.registry.find(self.resource, *key) is None:
            self.registry.create(self.resource, key[0], self.build(), manager=self.manager)
        return None

    def build(self) -> Object:
        """Build the object to create, without its namespace."""
        return {"apiVersion": "v1", "metadata": {"name": self.object_name}}


class ServiceAccountController(_PerNamespace):
    """Creates the ServiceAccount for pods that name none."""

    name = "serviceaccount-controller"
    resource = "serviceaccounts"
    object_name = "default"

    def build(self) -> Object:
        """Build a ServiceAccount."""
        return {**super().build(), "kind": "ServiceAccount"}


class RootCAController(_PerNamespace):
    """Publishes the certificate authority of the API server to pods."""

    name = "root-ca-certificate-publisher"
    resource = "configmaps"
    object_name = ROOT_CA

    def __init__(self, context: Context, certificate: str) -> None:
        super().__init__(context)
        self._certificate = certificate

    def build(self) -> Object:
        """Build the ConfigMap."""
        metadata = {"name": ROOT_CA, "annotations": {"kubernetes.io/description": DESCRIPTION}}
        data = {"ca.crt": self._certificate}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
