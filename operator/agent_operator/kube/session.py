"""HTTP sessions with the API server. kubernetes.aio loads and refreshes the credentials."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple, Self

import aiohttp

from agent_operator.kube import access
from agent_operator.kube.reachability import Reachability

# The start of a message of server-side apply about an object that the API server cannot decode, such as
# `failed to create typed patch object (ns/name; apps/v1, Kind=Deployment): .spec.x: field not declared in schema`.
_NOT_DECODED = re.compile(r"failed to [a-z -]{1,60} \([^()]{0,600}Kind=\w+[^()]{0,600}\)")


class Cause(NamedTuple):
    """One reason why the API server rejected an object. The message may quote the value of the field."""

    field: str
    message: str


class ApiError(Exception):
    """The API server rejected a request, or could not be reached (`code` 0).

    Attributes:
        code: HTTP status.
        reason: machine-readable reason, such as NotFound.
        message: message of the server. It may quote the object, so do not show it for a Secret.
        causes: the fields that are invalid, if the server names them.
    """

    def __init__(self, code: int, reason: str, message: str, causes: Sequence[Cause] = ()) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason
        self.message = message
        self.causes = causes

    @property
    def is_decode_error(self) -> bool:
        """Whether the API server cannot decode the object of a server-side apply. It answers 500, without a reason."""
        is_internal = self.code == HTTPStatus.INTERNAL_SERVER_ERROR and self.reason in ("", "InternalError")
        return is_internal and _NOT_DECODED.match(self.message) is not None


class Session:
    """Authenticates requests to one API server, as an async context manager.

    Attributes:
        reachability: results of the requests of this session and of all sessions of `new_session`.
    """

    def __init__(
        self,
        kubeconfig: str,
        context: str,
        reachability: Reachability,
        outermost: Sequence[aiohttp.ClientMiddlewareType],
        innermost: Sequence[aiohttp.ClientMiddlewareType],
    ) -> None:
        self.reachability = reachability
        self._kubeconfig = kubeconfig
        self._context = context
        self._middlewares = (*outermost, self.reachability.middleware, self._authenticate, *innermost)
        self._configuration = access.empty_configuration()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Load the credentials. Raises AccessError if there are none."""
        self._configuration = await access.load(self._kubeconfig, self._context)
        self._session = self.new_session()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    @property
    def server(self) -> str:
        """URL of the API server, without a trailing slash."""
        return str(self._configuration.host).rstrip("/")

    @property
    def insecurity(self) -> str:
        """What makes the connection insecure, and the remedy; empty if it is secure."""
        return access.insecurity(self._configuration)

    def new_session(self, *middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        """Create a session that authenticates every request with the current token.

        Args:
            middlewares: outermost middlewares, which see each request first and its response last.
        """
        connector = aiohttp.TCPConnector(limit=0, ssl=access.ssl_context(self._configuration), keepalive_timeout=60)
        # Without compression, because a small response could expand to gigabytes.
        headers = {"Accept-Encoding": "identity"}
        chain = (*middlewares, *self._middlewares)
        proxy = self._configuration.proxy
        return aiohttp.ClientSession(connector=connector, middlewares=chain, proxy=proxy, headers=headers)

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("Transport is used outside of its context")
        return self._session

    async def _authenticate(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        await self._authorize(request)
        response = await handler(request)
        if response.status == HTTPStatus.UNAUTHORIZED and not isinstance(request.body, aiohttp.AsyncIterablePayload):
            # The token of the kubeconfig has expired: run its exec plugin, or read its file, again.
            response.release()
            await self._authorize(request, reload=True)
            response = await handler(request)
        return response

    async def _authorize(self, request: aiohttp.ClientRequest, *, reload: bool = False) -> None:
        try:
            if reload:
                self._configuration = await access.load(self._kubeconfig, self._context)
            token = await access.token(self._configuration)
        except access.AccessError as error:
            # The login service may be down for a while. This is a failed request, not the end of the process.
            raise ApiError(0, "NoCredentials", f"the credentials cannot be renewed: {error}") from error
        if token:
            request.headers["Authorization"] = token
