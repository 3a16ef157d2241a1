"""Who sent a request: the caller with an API key, or the subject of a token. A request needs only one of the two."""

from typing import TYPE_CHECKING

from agent_runtime.errors import Problem
from agent_runtime.http.api_keys import ApiKeys

if TYPE_CHECKING:
    from agent_runtime.http.tokens import Tokens

_DOTS_OF_A_TOKEN = 2


class Callers:
    """Identifies callers. Without keys and tokens, every client may call the agent, and has no name."""

    def __init__(self, keys: ApiKeys | None = None, tokens: "Tokens | None" = None) -> None:
        self._keys = keys
        self._tokens = tokens

    async def name(self, authorization: str) -> str:
        """Return the name of the caller with this Authorization header, or "" if the agent identifies no callers.

        Raises:
            Problem: there is neither a valid key nor an accepted token.
        """
        if self._tokens is None:
            return self._keys.caller(authorization) if self._keys else ""
        scheme, _, token = authorization.partition(" ")
        if self._keys and (found := self._keys.find(authorization)):
            return found
        if scheme.lower() != "bearer" or not token.strip():
            detail = "Authorization: missing: send a token that an issuer of the agent's callers has signed"
            raise Problem(401, "invalid_token", detail)
        if self._keys and token.count(".") != _DOTS_OF_A_TOKEN:
            return self._keys.caller(authorization)
        return await self._tokens.caller(token.strip())
