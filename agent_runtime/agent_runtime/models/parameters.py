"""The configured parameters of a model's requests."""

from typing import Any

from agent_runtime.config import ModelConfig
from agent_runtime.models.base import Json

_NEWER_CAP, _OLDER_CAP = "max_completion_tokens", "max_tokens"
# Fields by which a request limits its answer: of OpenAI, and of llama.cpp, where a negative number means no limit.
_CAPS = (_NEWER_CAP, _OLDER_CAP, "max_output_tokens", "n_predict")
_REFUSING = (400, 422)


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

    def applied(self, request: Json) -> Json:
        """Return a request with the parameters. A field with null counts as missing."""
        if self._defaults:
            request = {
                **self._defaults,
                **{name: value for name, value in request.items() if value is not None or name not in self._defaults},
            }
        return request if self._cap is None else self._capped(request, self._cap)

    def switch_cap(self, request: Json, used: str, status: int, answer: bytes) -> bool:
        """Use the other field for the maximum of tokens if the server refused the used one; return whether it did.

        Only the field of the config is switched. A caller chooses its own.
        """
        if self._cap is None or status not in _REFUSING or used.encode() not in answer:
            return False
        if any(request.get(name) is not None for name in (_NEWER_CAP, _OLDER_CAP)):
            return False
        self.cap_field = _OLDER_CAP if used == _NEWER_CAP else _NEWER_CAP
        return True

    def _capped(self, request: Json, cap: int) -> Json:
        limits = {name: request[name] for name in _CAPS if request.get(name) is not None}
        if not limits.keys() & {_NEWER_CAP, _OLDER_CAP}:
            limits[self.cap_field] = cap
        # Servers convert texts and take negative numbers for no limit.
        return request | {name: limit if _is_within(limit, cap) else cap for name, limit in limits.items()}


def _is_within(limit: Any, cap: int) -> bool:
    return type(limit) in (int, float) and 0 < limit <= cap
