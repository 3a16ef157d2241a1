"""Which APIs the API server serves, and when that changes."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from agent_operator.api import constants
from agent_operator.kube.resources import Kind
from agent_operator.kube.transport import SILENT, WATCH_SECONDS, ApiError, Transport

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_CRD_KIND = "CustomResourceDefinition"
# The API server starts to serve a new CRD, and stops serving a deleted one, a moment after it sends the event.
_SERVING_DELAY = 0.2
# Seconds before a watch is restarted, because a watch that always ends immediately must not cause a busy loop.
_PAUSE = 0.5


class Discovery:
    """Discovery of the API server. All methods raise ApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def served_version(self, kind: Kind) -> str | None:
        """Return the best version in which the API server serves a kind; None if it serves none."""
        for version in kind.versions:
            if kind.plural in await self._plurals(version):
                return version
        return None

    async def serves_agents(self) -> bool:
        """Report whether the CRD of the AgentDeployments is installed."""
        return constants.PLURAL in await self._plurals(constants.API_VERSION)

    async def wait_for_crd(self, crd: str, on_activity: Callable[[], None], *, present: bool) -> None:
        """Return when the CustomResourceDefinition of this name may exist, or may be gone.

        Args:
            crd: name of the CustomResourceDefinition.
            on_activity: called whenever the API server answers or sends something.
            present: whether to wait until it exists, or until it is gone.
        """
        params = {"fieldSelector": f"metadata.name={crd}"}
        listed = await self._transport.request("GET", _CRDS, label=("list", _CRD_KIND), params=params)
        on_activity()
        if bool(listed.get("items")) is present:
            await asyncio.sleep(_SERVING_DELAY)
            return
        params |= {
            "watch": "true",
            "resourceVersion": listed["metadata"]["resourceVersion"],
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        changed = False
        while not changed:
            changed = await self._watch_crd(params, on_activity, present=present)
            await asyncio.sleep(_PAUSE)

    async def _watch_crd(self, params: dict[str, str], on_activity: Callable[[], None], *, present: bool) -> bool:
        """Watch once, and keep `params` at the last resourceVersion. Returns whether the CRD changed as expected."""
        expected = ("ADDED", "MODIFIED", "ERROR") if present else ("DELETED", "ERROR")
        try:
            label = ("watch", _CRD_KIND)
            async for event in self._transport.stream(_CRDS, label=label, params=params, on_activity=on_activity):
                if event["type"] in expected:
                    return True
                params["resourceVersion"] = event["object"]["metadata"].get("resourceVersion", "")
        except ApiError as error:
            if error.reason != SILENT:
                raise
        return False

    async def _plurals(self, version: str) -> set[str]:
        """Plural names of the resources that the API server serves in a group and version."""
        prefix = "/apis" if "/" in version else "/api"
        try:
            found = await self._transport.request("GET", f"{prefix}/{version}", label=("get", "APIResourceList"))
        except ApiError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return set()
            raise
        return {resource["name"] for resource in found.get("resources") or ()}
