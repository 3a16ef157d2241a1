"""The requests of the operator to the Kubernetes API: apply, delete, list, watch.

The operator writes children by server-side apply with one field manager and force. Force only affects the fields of the
manifest: other writers lose ownership of these fields and keep all others. Force must never take over an object that
belongs to another owner, so every write has a precondition:
- A create carries a resourceVersion that no object can have. If the object exists, the API server responds 409. If not,
  it ignores the version and creates the object. This takes one request and has no race.
- An update carries the UID of the live object. The API server responds 409 if the object is gone, and 422 if another
  object has its name.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from agent_operator.api import constants
from agent_operator.kube.collection_client import PAGE_BYTES, Collections
from agent_operator.kube.objects import Key, Object, Ref
from agent_operator.kube.resources import BY_NAME, CHANNEL, NAMESPACE, Kind, object_path
from agent_operator.kube.transport import APPLY, JSON, JSON_PATCH, MERGE, STRATEGIC_MERGE, ApiError

_NO_VERSION = "1"  # the first revision of etcd, which no object has
# By default the API server decodes every body twice, to warn about unknown fields. The operator does not read warnings,
# and server-side apply rejects unknown fields anyway.
_NO_FIELD_WARNINGS = {"fieldValidation": "Ignore"}
_SCALE_MANAGER = f"{constants.FIELD_MANAGER}-scale"
_KINDS_WITH_PORTS = frozenset({"Service", "Deployment"})
# The kubelet counts repetitions in one Event, so that a pod has few.
_MOST_WARNINGS = 50
_LEASES = "/apis/coordination.k8s.io/v1"


class Cluster(Collections):
    """Typed requests to the API server. All methods raise ApiError."""

    # Children

    async def create(self, manifest: Mapping[str, Any]) -> Object:
        """Create by server-side apply; 409 if the object exists."""
        return await self._apply(_with(manifest, resourceVersion=_NO_VERSION), "create")

    async def update(self, manifest: Mapping[str, Any], uid: str) -> Object:
        """Apply to the object with this UID. Raises ApiError 409 or 422 if it does not exist."""
        try:
            return await self._apply(_with(manifest, uid=uid), "apply")
        except ApiError as error:
            is_about_ports = error.code == HTTPStatus.UNPROCESSABLE_ENTITY and "ports" in error.message
            if not is_about_ports or manifest["kind"] not in _KINDS_WITH_PORTS:
                raise
        await self._replace_ports(manifest, uid)
        return await self._apply(_with(manifest, uid=uid), "apply")

    async def _replace_ports(self, manifest: Mapping[str, Any], uid: str) -> None:
        """Replace the ports of the live object with those of the manifest.

        The number identifies a port, but names must be unique, too. If another writer changed the number of a port,
        server-side apply would add a second port with the same name, which the API server rejects.
        """
        patch = _ports(manifest) | {"metadata": {"uid": uid}}
        params = {"fieldManager": f"{constants.FIELD_MANAGER}-ports"}
        label = ("apply", manifest["kind"])
        await self._transport.request(
            "PATCH", object_path(manifest), label=label, params=params, body=patch, content_type=STRATEGIC_MERGE
        )

    async def hand_over_replicas(self, manifest: Mapping[str, Any], uid: str, replicas: int) -> Object:
        """Make a second field manager own spec.replicas, so that the next apply without the field keeps it."""
        meta = {key: manifest["metadata"][key] for key in ("name", "namespace")}
        partial = {
            "apiVersion": manifest["apiVersion"],
            "kind": manifest["kind"],
            "metadata": meta,
            "spec": {"replicas": replicas},
        }
        return await self._apply(_with(partial, uid=uid), "apply", _SCALE_MANAGER)

    async def take_over(self, manifest: Mapping[str, Any], patch: list[Object]) -> Object:
        """Make the agent the owner of an object; 409 if the object has changed since it was read."""
        label, params = ("adopt", manifest["kind"]), {"fieldManager": f"{constants.FIELD_MANAGER}-adopt"}
        return await self._transport.request(
            "PATCH", object_path(manifest), label=label, params=params, body=patch, content_type=JSON_PATCH
        )

    async def delete(self, target: Ref, uid: str, version: str, *, propagation: str = "Background") -> None:
        """Delete the object with this UID. Does nothing if it no longer exists."""
        path = BY_NAME[target.kind].path(version, target.namespace, target.name)
        body: Object = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": propagation,
        }
        try:
            await self._transport.request("DELETE", path, label=("delete", target.kind), body=body)
        except ApiError as error:
            if error.code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise

    async def find(self, target: Ref, version: str) -> Object | None:
        """Read an object, uncached; None if it does not exist."""
        path = BY_NAME[target.kind].path(version, target.namespace, target.name)
        return await self._get(path, target.kind)

    async def find_named(self, kind: Kind, name: str, namespace: str = "") -> Object | None:
        """Read an object of a kind that is not a child, uncached; None if it does not exist."""
        return await self._get(kind.path(kind.versions[0], namespace, name), kind.kind)

    async def list_in(self, kind: str, namespace: str, selector: str = "") -> list[Object]:
        """Read the objects of a kind in a namespace, uncached, of those with labels that the selector matches."""
        known = BY_NAME[kind]
        pages = self.list_pages(known.path(known.versions[0], namespace), kind, selector)
        return [item async for items, _ in pages for item in items]

    async def find_namespace(self, name: str) -> Object | None:
        """Read a Namespace, uncached; None if it does not exist."""
        return await self._get(NAMESPACE.path("v1", name=name), NAMESPACE.kind)

    # AgentDeployments

    async def find_agent(self, key: Key) -> Object | None:
        """Read an AgentDeployment, uncached; None if it does not exist.

        An API server that does not serve custom resources yet, because it has just started, also answers 404. So a
        list confirms that the agent does not exist.
        """
        found = await self._get(_agent_path(key), constants.KIND)
        if found is not None:
            return found
        path, _, name = _agent_path(key).rpartition("/")
        async for items, _ in self.list_pages(path, constants.KIND, fields=f"metadata.name={name}"):
            if items:
                return items[0]
        return None

    async def patch_status(self, key: Key, uid: str, status: Object) -> Object:
        """Merge into the status of an AgentDeployment; None removes a field.

        The API server does not check the UID on the status subresource of a custom resource.
        """
        return await self._merge_status(_agent_path(key), constants.KIND, {"metadata": {"uid": uid}, "status": status})

    async def patch_channel_status(self, name: str, status: Object) -> Object:
        """Merge into the status of an AgentRuntimeChannel; None removes a field."""
        path = CHANNEL.path(constants.API_VERSION, name=name)
        return await self._merge_status(path, CHANNEL.kind, {"status": status})

    async def add_finalizer(self, key: Key, uid: str) -> Object:
        """Add the finalizer of the operator; other finalizers stay."""
        meta = {"name": key.name, "namespace": key.namespace, "uid": uid, "finalizers": [constants.FINALIZER]}
        body = {"apiVersion": constants.API_VERSION, "kind": constants.KIND, "metadata": meta}
        return await self._apply_at(_agent_path(key), body, "apply", f"{constants.FIELD_MANAGER}-finalizer")

    async def remove_finalizer(self, key: Key, uid: str, finalizers: Sequence[str]) -> None:
        """Remove the finalizer of the operator from the current `finalizers`.

        The API server refuses a server-side apply to an object of which an older CRD accepted a value of a wrong type.
        It accepts a JSON Patch, so that such an object can be deleted.

        Raises:
            ApiError: 422 if the agent or its finalizers have changed.
        """
        path = f"/metadata/finalizers/{list(finalizers).index(constants.FINALIZER)}"
        body = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": path, "value": constants.FINALIZER},
            {"op": "remove", "path": path},
        ]
        label = ("patch", constants.KIND)
        await self._transport.request("PATCH", _agent_path(key), label=label, body=body, content_type=JSON_PATCH)

    async def remove_command(self, key: Key, command: str) -> None:
        """Remove the rollout annotation if it still has this command."""
        path = "/metadata/annotations/" + constants.ANNOTATION_ROLLOUT.replace("/", "~1")
        body = [{"op": "test", "path": path, "value": command}, {"op": "remove", "path": path}]
        try:
            await self._transport.request(
                "PATCH", _agent_path(key), label=("patch", constants.KIND), body=body, content_type=JSON_PATCH
            )
        except ApiError as error:
            if error.code not in (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY):
                raise

    async def post_event(self, namespace: str, event: Object) -> None:
        """Create an Event."""
        path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
        await self._transport.request("POST", path, label=("create", "Event"), body=event)

    async def list_pod_warnings(self, namespace: str, pod: str) -> list[Object]:
        """Return the first Events of type Warning about a pod. Every user may create any number of them."""
        path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
        selector = f"regarding.kind=Pod,regarding.name={pod},type=Warning"
        params = {"fieldSelector": selector, "limit": str(_MOST_WARNINGS)}
        label = ("list", "Event")
        page = await self._transport.read_page(path, label=label, params=params, accept=JSON, largest=PAGE_BYTES)
        return page.items

    # Leader election

    async def find_lease(self, namespace: str, name: str) -> Object | None:
        """Read a Lease; None if it does not exist."""
        return await self._get(f"{_LEASES}/namespaces/{namespace}/leases/{name}", "Lease")

    async def write_lease(self, lease: Object) -> Object:
        """Create a Lease, or update the one with this resourceVersion; 409 if another candidate wrote it first."""
        meta = lease["metadata"]
        path = f"{_LEASES}/namespaces/{meta['namespace']}/leases"
        if "resourceVersion" in meta:
            path = f"{path}/{meta['name']}"
            return await self._transport.request("PUT", path, label=("update", "Lease"), body=lease)
        return await self._transport.request("POST", path, label=("create", "Lease"), body=lease)

    async def _merge_status(self, path: str, kind: str, body: Object) -> Object:
        params = {"fieldManager": constants.FIELD_MANAGER, **_NO_FIELD_WARNINGS}
        return await self._transport.request(
            "PATCH", f"{path}/status", label=("status", kind), params=params, body=body, content_type=MERGE
        )

    async def _apply(self, manifest: Object, verb: str, manager: str = constants.FIELD_MANAGER) -> Object:
        return await self._apply_at(object_path(manifest), manifest, verb, manager)

    async def _apply_at(self, path: str, body: Object, verb: str, manager: str) -> Object:
        params = {"fieldManager": manager, "force": "true", **_NO_FIELD_WARNINGS}
        label = (verb, body["kind"])
        return await self._transport.request("PATCH", path, label=label, params=params, body=body, content_type=APPLY)

    async def _get(self, path: str, kind: str) -> Object | None:
        try:
            return await self._transport.request("GET", path, label=("get", kind))
        except ApiError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise


def collections(kind: Kind, version: str, namespaces: Iterable[str]) -> tuple[str, ...]:
    """Return the paths of the collections to watch: one for the whole cluster, or one per namespace."""
    scopes = tuple(namespaces) if kind.namespaced else ()
    return tuple(kind.path(version, scope) for scope in scopes or ("",))


def _agent_path(key: Key) -> str:
    return f"/apis/{constants.API_VERSION}/namespaces/{key.namespace}/{constants.PLURAL}/{key.name}"


def _with(manifest: Mapping[str, Any], **metadata: str) -> Object:
    return {**manifest, "metadata": {**manifest["metadata"], **metadata}}


def _ports(manifest: Mapping[str, Any]) -> Object:
    """Return the strategic merge patch that replaces only the ports of a Service or a Deployment."""
    replace: Object = {"$patch": "replace"}
    if manifest["kind"] == "Service":
        return {"spec": {"ports": [*manifest["spec"]["ports"], replace]}}
    containers = [
        {"name": container["name"], "ports": [*container.get("ports", ()), replace]}
        for container in manifest["spec"]["template"]["spec"]["containers"]
    ]
    return {"spec": {"template": {"spec": {"containers": containers}}}}
