"""The configured parameters of a model's requests."""

import re
from typing import Any

from agent_runtime.config import ModelConfig
from agent_runtime.models import reasons
from agent_runtime.models.base import Json

_NEWER_CAP, _OLDER_CAP = "max_completion_tokens", "max_tokens"
# Further fields by which a request limits its answer. A negative n_predict means no limit for llama.cpp.
_FURTHER_CAPS = ("max_output_tokens", "n_predict")
_REFUSING = (400, 422)
# The server knows the field, but refuses its value.
_REFUSED_VALUE = re.compile(
    r"too (large|big|high|small|low|many|long)|at (most|least)|exceed|(greater|larger|more|smaller|less) than|between",
    re.IGNORECASE,
)


class Parameters:
    """Adds the parameters to requests. Those of the caller take precedence, up to the maximum of tokens."""

    def __init__(self, config: ModelConfig, *, is_openai: bool) -> None:
        """Create them.

        Args:
            config: of the model.
            is_openai: whether the server is OpenAI, whose newer models refuse max_tokens. Most others know only it.
        """
        given = config.parameters
        self._cap = given.max_tokens if given else None
        self._defaults: dict[str, Any] = {}
        if given:
            self._defaults = given.model_dump(exclude_none=True, exclude={"max_tokens", "extra"}) | (given.extra or {})
        # Azure OpenAI requires the newer field for reasoning models, and its older API versions refuse it for others.
        is_newer = is_openai or (config.provider == "azure_openai" and "reasoning_effort" in self._defaults)
        self.cap_field = _NEWER_CAP if is_newer else _OLDER_CAP

    def applied(self, request: Json, cap_field: str | None = None) -> Json:
        """Return a request with the parameters. A field with null counts as missing.

        Args:
            request: of the caller.
            cap_field: for the maximum of tokens. Default: the one that the server is known to accept.
        """
        if self._defaults:
            request = {
                **self._defaults,
                **{name: value for name, value in request.items() if value is not None or name not in self._defaults},
            }
        return request if self._cap is None else self._capped(request, self._cap, cap_field or self.cap_field)

    def other_cap(self, used: str, status: int, answer: bytes) -> str | None:
        """Return the other field for the maximum of tokens if the server does not know the used one."""
        if self._cap is None or status not in _REFUSING or used.encode() not in answer:
            return None
        reason = reasons.reason_of(answer)
        # A server that ignores the other field would answer without any maximum.
        if reasons.is_too_long(reason) or _REFUSED_VALUE.search(reason):
            return None
        return _OLDER_CAP if used == _NEWER_CAP else _NEWER_CAP

    def _capped(self, request: Json, cap: int, cap_field: str) -> Json:
        """Return a request that limits its answer by one of the two fields. A server may ignore the other one."""
        limits = {name: _within(request[name], cap) for name in _FURTHER_CAPS if request.get(name) is not None}
        of_caller = (request[name] for name in (_NEWER_CAP, _OLDER_CAP) if request.get(name) is not None)
        limits[cap_field] = min((_within(limit, cap) for limit in of_caller), default=cap)
        others = {name: value for name, value in request.items() if name not in {_NEWER_CAP, _OLDER_CAP}}
        return others | limits


def _within(limit: Any, cap: int) -> int | float:
    """Return a limit of a caller up to the maximum. Servers convert texts and take negative numbers for no limit."""
    return limit if type(limit) in (int, float) and 0 < limit <= cap else cap
